package sessiongin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// TestMain keeps gin from writing to the standard output.
func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// brokenManager returns a Manager whose store fails in every write.
func brokenManager(t *testing.T) *session.Manager {
	t.Helper()
	store := sessiontest.NewFaulty(memstore.New(nil))
	store.Before(sessiontest.OpWrite, -1, sessiontest.Fail)
	sessions, err := session.New(store, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	return sessions
}

// A middleware around the session's, such as a logger, sees what the visitor got.
func TestFailedCommitShows(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]gin.HandlerFunc{
		"empty":   func(*gin.Context) {},
		"status":  func(c *gin.Context) { c.Status(http.StatusNoContent) },
		"json":    func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"ok": true}) },
		"abort":   func(c *gin.Context) { c.AbortWithStatus(http.StatusTeapot) },
		"flushed": func(c *gin.Context) { c.Writer.Flush() },
	} {
		var status, size int
		engine := gin.New()
		engine.Use(func(c *gin.Context) {
			c.Next()
			status, size = c.Writer.Status(), c.Writer.Size()
		}, sessiongin.Middleware(brokenManager(t)))
		engine.GET("/", func(c *gin.Context) {
			s, err := sessiongin.Get(c)
			if err != nil {
				t.Error(err)
				return
			}
			if err := session.NewKey[int]("n").Set(s, 1); err != nil {
				t.Error(err)
			}
			answer(c)
		})
		response := httptest.NewRecorder()
		engine.ServeHTTP(response, httptest.NewRequest("GET", "/", nil))
		if status != http.StatusServiceUnavailable || response.Code != status || size != response.Body.Len() {
			t.Errorf("%s: the outer middleware saw status %d and %d bytes, the visitor %d and %d, want 503 and the same size",
				name, status, size, response.Code, response.Body.Len())
		}
	}
}

// A copy of the context, which gin asks for in goroutines, has the session too.
func TestCopyOfContext(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	engine.Use(sessiongin.Middleware(brokenManager(t)))
	engine.GET("/", func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if same, errCopy := sessiongin.Get(c.Copy()); err != nil || errCopy != nil || same != s {
			t.Errorf("Get of the copy returned another session: %v, %v", err, errCopy)
		}
	})
	engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// What a failed Get answers is all that the visitor gets: the handlers behind do not run.
func TestFailAborts(t *testing.T) {
	t.Parallel()
	store := sessiontest.NewFaulty(memstore.New(nil))
	sessions, err := session.New(store, session.Options{Observer: session.Silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	store.Before(sessiontest.OpRead, -1, sessiontest.Fail)
	engine := gin.New()
	engine.Use(sessiongin.Middleware(sessions), func(c *gin.Context) {
		if _, err := sessiongin.Get(c); err != nil {
			sessiongin.Fail(c, sessions, err)
		}
	})
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "secret") })
	response := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", "__Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	engine.ServeHTTP(response, request)
	if response.Code != http.StatusServiceUnavailable || strings.Contains(response.Body.String(), "secret") || response.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %q %v", response.Code, response.Body, response.Header())
	}
}
