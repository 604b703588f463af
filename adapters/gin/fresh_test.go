package sessiongin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
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
	pay := func(c *gin.Context) { paid++; c.Status(http.StatusOK) }
	teapot := func(c *gin.Context) { c.Status(http.StatusTeapot) }
	engine := gin.New()
	engine.Use(sessiongin.Middleware(sessions))
	engine.GET("/login", func(c *gin.Context) {
		if s, err := sessiongin.Get(c); err != nil || s.Bind(session.Login{Subject: "ann"}) != nil {
			t.Error("no login")
		}
	})
	engine.GET("/pay", sessiongin.RequireFresh(sessions, time.Hour, nil), pay)
	engine.GET("/own", sessiongin.RequireFresh(sessions, -1, teapot), pay)
	engine.GET("/transfer", sessiongin.RequireFresh(sessions, time.Hour, nil, "otp"), pay)
	cookie := ""
	visit := func(path string, want int) {
		t.Helper()
		request := httptest.NewRequest("GET", path, nil)
		request.Header.Set("Cookie", cookie)
		recorder := httptest.NewRecorder()
		engine.ServeHTTP(recorder, request)
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
