package sessiongin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// harness is a variable so that the tests of real servers can put their store into it.
var harness = sessiontest.AdapterHarness{Serve: serve, Writers: 1, EarlyHints: true, Upgrade: true, Protect: true}

func TestAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, harness)
}

// serve translates an application into gin.
func serve(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	for _, layer := range app.Layers {
		switch {
		case layer.Sessions != nil:
			engine.Use(sessiongin.Middleware(layer.Sessions))
		case layer.Protect:
			engine.Use(sessiongin.Protect(nil))
		case layer.Recover:
			engine.Use(gin.RecoveryWithWriter(io.Discard))
		default:
			engine.Use(func(c *gin.Context) {
				answer(c, layer.Handle(newCall(c), func() error { c.Next(); return nil }))
			})
		}
	}
	for _, route := range app.Routes {
		engine.Handle(route.Method, route.Path, func(c *gin.Context) { answer(c, route.Handle(newCall(c))) })
	}
	return sessiontest.ServeHTTP(l, engine)
}

// answer renders the error of a handler.
func answer(c *gin.Context, err error) {
	if status, ok := errors.AsType[*sessiontest.StatusError](err); ok {
		c.AbortWithStatusJSON(status.Code, gin.H{"error": status.Text})
	} else if err != nil {
		_ = c.AbortWithError(http.StatusInternalServerError, err)
	}
}

// call puts gin's ways in the place of those of net/http.
type call struct {
	sessiontest.HTTPCall
	c *gin.Context
}

func newCall(c *gin.Context) call {
	return call{sessiontest.HTTPCall{W: c.Writer, R: c.Request}, c}
}

func (c call) Session(mode ...session.Mode) (*session.Session, error) {
	return sessiongin.Get(c.c, mode...)
}

func (c call) Query(name string) string { return c.c.Query(name) }

func (c call) SetHeader(name, value string) { c.c.Header(name, value) }

func (c call) Status(code int) { c.c.Status(code) }

func (c call) JSON(status int, value any) error { c.c.JSON(status, value); return nil }

func (c call) Redirect(status int, location string) error { c.c.Redirect(status, location); return nil }

func (c call) File(path string) error { c.c.File(path); return nil }

func (c call) Stream(send func(w sessiontest.FlushWriter)) error {
	c.c.Stream(func(io.Writer) bool {
		_ = c.HTTPCall.Stream(send)
		return false
	})
	return nil
}

// EarlyHints goes below gin's writer, which only notes a status.
func (c call) EarlyHints(link string) error {
	c.c.Header("Link", link)
	w := http.ResponseWriter(c.c.Writer)
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			w.WriteHeader(http.StatusEarlyHints)
			return nil
		}
		w = inner.Unwrap()
	}
}
