package sessionecho_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
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

// A middleware around the session's, such as a logger, sees what the visitor got, and echo's error handler does not
// answer a second time.
func TestFailedCommitShows(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]echo.HandlerFunc{
		"empty":   func(echo.Context) error { return nil },
		"status":  func(c echo.Context) error { return c.NoContent(http.StatusNoContent) },
		"json":    func(c echo.Context) error { return c.JSON(http.StatusOK, "ok") },
		"error":   func(echo.Context) error { return echo.ErrTeapot },
		"flushed": func(c echo.Context) error { c.Response().Flush(); return nil },
		"raw":     func(c echo.Context) error { _, err := c.Response().Writer.Write([]byte("ok")); return err },
	} {
		var status int
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				err := next(c)
				if !c.Response().Committed {
					t.Errorf("%s: the response is not committed: the error handler would answer again", name)
				}
				status = c.Response().Status
				return err
			}
		}, sessionecho.Middleware(brokenManager(t, sessiontest.OpWrite)))
		e.GET("/", func(c echo.Context) error {
			s, err := sessionecho.Get(c)
			if err != nil {
				return err
			}
			if err := session.NewKey[int]("n").Set(s, 1); err != nil {
				return err
			}
			return answer(c)
		})
		response := httptest.NewRecorder()
		e.ServeHTTP(response, httptest.NewRequest("GET", "/", nil))
		if status != http.StatusServiceUnavailable || response.Code != status {
			t.Errorf("%s: the outer middleware saw status %d, the visitor %d, want 503", name, status, response.Code)
		}
	}
}

// A handler returns the error of Get as it is: the visitor sees its status, when to come back, and nothing of its cause.
func TestErrorOfGet(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.Use(sessionecho.Middleware(brokenManager(t, sessiontest.OpRead)))
	e.GET("/", func(c echo.Context) error {
		_, err := sessionecho.Get(c)
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Get: got error %v, want %v", err, session.ErrUnavailable)
		}
		return err
	})
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", "__Host-session="+strings.Repeat("A", 43))
	response := httptest.NewRecorder()
	e.ServeHTTP(response, request)
	if response.Code != http.StatusServiceUnavailable || strings.Contains(response.Body.String(), "session") {
		t.Errorf("the visitor got status %d and %q, want 503 and no cause", response.Code, response.Body)
	}
	if retry := response.Header().Get("Retry-After"); retry != "1" {
		t.Errorf("Retry-After is %q, want 1, as after a failed commit", retry)
	}
}

// Hooks that other middlewares have put on the response still run, once.
func TestBeforeHooks(t *testing.T) {
	t.Parallel()
	calls := 0
	e := echo.New()
	e.Use(sessionecho.Middleware(brokenManager(t, sessiontest.OpRead)))
	e.GET("/", func(c echo.Context) error {
		c.Response().Before(func() { calls++; c.Response().Header().Set("X-Hook", "ran") })
		return c.String(http.StatusOK, "ok")
	})
	response := httptest.NewRecorder()
	e.ServeHTTP(response, httptest.NewRequest("GET", "/", nil))
	if calls != 1 || response.Header().Get("X-Hook") != "ran" || response.Body.String() != "ok" {
		t.Errorf("the hook ran %d times, header %q, body %q", calls, response.Header().Get("X-Hook"), response.Body)
	}
}
