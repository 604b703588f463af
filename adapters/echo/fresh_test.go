package sessionecho_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
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
	pay := func(c echo.Context) error { paid++; return c.NoContent(http.StatusOK) }
	teapot := func(echo.Context) error { return echo.ErrTeapot }
	e := echo.New()
	e.Use(sessionecho.Middleware(sessions))
	e.GET("/login", func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil {
			return err
		}
		return s.Bind(session.Login{Subject: "ann"})
	})
	e.GET("/pay", pay, sessionecho.RequireFresh(time.Hour, nil))
	e.GET("/own", pay, sessionecho.RequireFresh(-1, teapot))
	e.GET("/transfer", pay, sessionecho.RequireFresh(time.Hour, nil, "otp"))
	cookie := ""
	visit := func(path string, want int) {
		t.Helper()
		request := httptest.NewRequest("GET", path, nil)
		request.Header.Set("Cookie", cookie)
		recorder := httptest.NewRecorder()
		e.ServeHTTP(recorder, request)
		response := recorder.Result()
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
