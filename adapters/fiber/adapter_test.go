package sessionfiber_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/recover"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// harness is a variable so that the tests of real servers can put their store into it.
var harness = sessiontest.AdapterHarness{Serve: serve, Upgrade: true, Gzip: true, Protect: true}

func TestAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, harness)
}

// serve translates an application into fiber.
func serve(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
	f := fiber.New(fiber.Config{DisableStartupMessage: true})
	for _, layer := range app.Layers {
		switch {
		case layer.Sessions != nil:
			f.Use(sessionfiber.Middleware(layer.Sessions))
		case layer.Protect:
			f.Use(sessionfiber.Protect(nil))
		case layer.Recover:
			f.Use(recover.New())
		case layer.Gzip:
			f.Use(compress.New())
		default:
			f.Use(func(c *fiber.Ctx) error { return translate(layer.Handle(call{c}, c.Next)) })
		}
	}
	for _, route := range app.Routes {
		f.Add(route.Method, route.Path, func(c *fiber.Ctx) error { return translate(route.Handle(call{c})) })
	}
	go func() { _ = f.Listener(l) }() // returns when the shutdown has closed l
	return f.ShutdownWithContext, nil
}

// translate gives an error of a handler its status.
func translate(err error) error {
	if status, ok := errors.AsType[*sessiontest.StatusError](err); ok {
		return fiber.NewError(status.Code, status.Text)
	}
	return err
}

// call is a sessiontest.Call and Upgrader.
type call struct{ c *fiber.Ctx }

func (c call) Session(mode ...session.Mode) (*session.Session, error) {
	return sessionfiber.Get(c.c, mode...)
}

func (c call) Context() context.Context { return c.c.UserContext() }

func (c call) Query(name string) string { return c.c.Query(name) }

func (c call) SetHeader(name, value string) { c.c.Set(name, value) }

func (c call) Status(code int) { c.c.Status(code) }

func (c call) Write(p []byte) (int, error) { return c.c.Write(p) }

func (c call) WriteString(s string) (int, error) { return c.c.WriteString(s) }

func (c call) JSON(status int, value any) error { return c.c.Status(status).JSON(value) }

func (c call) Redirect(status int, location string) error { return c.c.Redirect(location, status) }

func (c call) File(path string) error { return c.c.SendFile(path) }

func (c call) Stream(send func(w sessiontest.FlushWriter)) error {
	c.c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { send(w) })
	return nil
}

func (c call) Upgrade(talk func(conn io.ReadWriter)) error {
	c.c.Status(fiber.StatusSwitchingProtocols)
	c.c.Context().Hijack(func(conn net.Conn) { talk(conn) })
	return nil
}
