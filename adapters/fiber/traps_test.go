package sessionfiber_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// brokenManager returns a Manager whose store fails in every call of op.
func brokenManager(t *testing.T, op sessiontest.Op) *session.Manager {
	t.Helper()
	store := sessiontest.NewFaulty(memstore.New(nil))
	store.Before(op, -1, sessiontest.Fail)
	sessions, err := session.New(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	return sessions
}

// A middleware around the session's, such as a logger, sees what the visitor got, and the error handler does not answer
// a second time.
func TestFailedCommitShows(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]fiber.Handler{
		"empty":    func(*fiber.Ctx) error { return nil },
		"status":   func(c *fiber.Ctx) error { return c.SendStatus(http.StatusNoContent) },
		"json":     func(c *fiber.Ctx) error { return c.JSON("ok") },
		"error":    func(*fiber.Ctx) error { return fiber.ErrTeapot },
		"fasthttp": func(c *fiber.Ctx) error { c.Context().Error("fasthttp's own", http.StatusTeapot); return nil },
	} {
		var status int
		app := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
			t.Errorf("%s: the error handler was called: %v", name, err)
			return nil
		}})
		app.Use(func(c *fiber.Ctx) error {
			err := c.Next()
			status = c.Response().StatusCode()
			return err
		}, sessionfiber.Middleware(brokenManager(t, sessiontest.OpWrite)))
		app.Get("/", func(c *fiber.Ctx) error {
			s, err := sessionfiber.Get(c)
			if err != nil {
				return err
			}
			if err := session.NewKey[int]("n").Set(s, 1); err != nil {
				return err
			}
			return answer(c)
		})
		response, err := app.Test(httptest.NewRequest("GET", "/", nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		if status != http.StatusServiceUnavailable || response.StatusCode != status {
			t.Errorf("%s: the outer middleware saw status %d, the visitor %d, want 503", name, status, response.StatusCode)
		}
	}
}

// A handler returns the error of Get as it is: the visitor sees its status, when to come back, and nothing of its cause.
func TestErrorOfGet(t *testing.T) {
	t.Parallel()
	app := fiber.New()
	app.Use(sessionfiber.Middleware(brokenManager(t, sessiontest.OpRead)))
	app.Get("/", func(c *fiber.Ctx) error {
		_, err := sessionfiber.Get(c)
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Get: got error %v, want %v", err, session.ErrUnavailable)
		}
		return err
	})
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", "__Host-session="+strings.Repeat("A", 43))
	response, err := app.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(body), "session") {
		t.Errorf("the visitor got status %d and %q, error %v, want 503 and no cause", response.StatusCode, body, err)
	}
	if retry := response.Header.Get("Retry-After"); retry != "1" {
		t.Errorf("Retry-After is %q, want 1, as after a failed commit", retry)
	}
}

// fasthttp calls Close on what is put into a request's values, when the request ends: a session there must not have it.
func TestSessionInLocals(t *testing.T) {
	t.Parallel()
	if _, ok := any(new(session.Session)).(io.Closer); ok {
		t.Error("*session.Session has a method Close")
	}
}
