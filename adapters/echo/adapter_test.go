package sessionecho_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// harness is a variable so that the tests of real servers can put their store into it.
var harness = sessiontest.AdapterHarness{Serve: serve, Writers: 2, EarlyHints: true, Upgrade: true, Gzip: true, Protect: true}

func TestAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, harness)
}

// serve translates an application into echo.
func serve(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	for _, layer := range app.Layers {
		switch {
		case layer.Sessions != nil:
			e.Use(sessionecho.Middleware(layer.Sessions))
		case layer.Protect:
			e.Use(sessionecho.Protect(nil))
		case layer.Recover:
			e.Use(middleware.Recover())
		case layer.Gzip:
			e.Use(middleware.Gzip())
		default:
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					return translate(layer.Handle(newCall(c), func() error { return next(c) }))
				}
			})
		}
	}
	for _, route := range app.Routes {
		e.Add(route.Method, route.Path, func(c echo.Context) error { return translate(route.Handle(newCall(c))) })
	}
	return sessiontest.ServeHTTP(l, e)
}

// translate gives an error of a handler its status.
func translate(err error) error {
	if status, ok := errors.AsType[*sessiontest.StatusError](err); ok {
		return echo.NewHTTPError(status.Code, status.Text)
	}
	return err
}

// call puts echo's ways in the place of those of net/http.
type call struct {
	sessiontest.HTTPCall
	c echo.Context
}

func newCall(c echo.Context) call {
	return call{sessiontest.HTTPCall{W: c.Response(), R: c.Request()}, c}
}

func (c call) Session(mode ...session.Mode) (*session.Session, error) {
	return sessionecho.Get(c.c, mode...)
}

func (c call) Query(name string) string { return c.c.QueryParam(name) }

func (c call) JSON(status int, value any) error { return c.c.JSON(status, value) }

func (c call) Redirect(status int, location string) error { return c.c.Redirect(status, location) }

// File does not use echo's own, which wants a path below its root folder.
func (c call) File(path string) error { return c.c.File(path) }

// Writers returns echo's response and the writer below it, which handlers use too.
func (c call) Writers() []http.ResponseWriter {
	return []http.ResponseWriter{c.c.Response(), c.c.Response().Writer}
}

// EarlyHints goes below echo's response, which takes any status for the final one.
func (c call) EarlyHints(link string) error {
	c.c.Response().Header().Set("Link", link)
	c.c.Response().Writer.WriteHeader(http.StatusEarlyHints)
	return nil
}
