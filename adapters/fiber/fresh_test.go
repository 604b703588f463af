package sessionfiber_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

func TestRequireFresh(t *testing.T) {
	t.Parallel()
	store := sessiontest.NewFaulty(memstore.New(nil))
	sessions, err := session.New(store, session.Options{Observer: session.Silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	paid := 0
	pay := func(c *fiber.Ctx) error { paid++; return c.SendStatus(http.StatusOK) }
	teapot := func(*fiber.Ctx) error { return fiber.ErrTeapot }
	app := fiber.New()
	app.Use(sessionfiber.Middleware(sessions))
	app.Get("/login", func(c *fiber.Ctx) error {
		s, err := sessionfiber.Get(c)
		if err != nil {
			return err
		}
		return s.Bind(session.Login{Subject: "ann"})
	})
	app.Get("/pay", sessionfiber.RequireFresh(time.Hour, nil), pay)
	app.Get("/own", sessionfiber.RequireFresh(-1, teapot), pay)
	app.Get("/transfer", sessionfiber.RequireFresh(time.Hour, nil, "otp"), pay)
	cookie := ""
	visit := func(path string, want int) {
		t.Helper()
		request := httptest.NewRequest("GET", path, nil)
		request.Header.Set("Cookie", cookie)
		response, err := app.Test(request, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, response.StatusCode, want)
		}
		for _, c := range response.Cookies() {
			cookie = c.Name + "=" + c.Value
		}
	}
	visit("/pay", http.StatusUnauthorized)
	visit("/own", http.StatusTeapot)
	visit("/login", http.StatusOK)
	if paid != 0 {
		t.Error("a handler has run that must not")
	}
	visit("/transfer", http.StatusUnauthorized) // it needs a second factor
	visit("/pay", http.StatusOK)
	visit("/own", http.StatusTeapot) // it asks for what is never fresh enough
	if paid != 1 {
		t.Errorf("paid %d times, want once", paid)
	}
	store.Before(sessiontest.OpRead, -1, sessiontest.Fail)
	visit("/pay", http.StatusServiceUnavailable)
}
