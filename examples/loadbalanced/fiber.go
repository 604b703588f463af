package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/filesystem"
	"github.com/gofiber/fiber/v2/middleware/recover"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
)

// fiberRoutes is the application on fiber. What c.Query returns is overwritten by the next request, but a session
// keeps none of it: it encodes a value when it is set.
func fiberRoutes(a *app.App, sessions *session.Manager) *fiber.App {
	f := fiber.New(fiber.Config{DisableStartupMessage: true, ErrorHandler: fiberFail})
	f.Use(recover.New(), fiberNode(a.Node().Name), sessionfiber.Middleware(sessions))
	f.Use("/static", filesystem.New(filesystem.Config{Root: app.Static(), ContentTypeCharset: "utf-8"}))
	f.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	f.Get("/", func(c *fiber.Ctx) error {
		s, err := sessionfiber.Get(c, session.ReadOnly)
		status, page := a.Page(s, err)
		return c.Status(status).Type("html", "utf-8").Send(page)
	})
	f.Get("/api/session", fiberAPI(a, session.ReadOnly, func(*fiber.Ctx, *session.Session) error { return nil }))
	f.Post("/api/visit", fiberAPI(a, session.Optimistic, func(_ *fiber.Ctx, s *session.Session) error {
		return app.Visit(s)
	}))
	f.Post("/api/set", fiberAPI(a, session.Optimistic, func(c *fiber.Ctx, s *session.Session) error {
		return app.Set(s, c.Query("key"), c.Query("value"))
	}))
	f.Post("/api/login", fiberAPI(a, session.Optimistic, func(c *fiber.Ctx, s *session.Session) error {
		return app.Login(s, c.Query("user"))
	}))
	f.Post("/api/logout", fiberAPI(a, session.Optimistic, func(_ *fiber.Ctx, s *session.Session) error {
		return app.Logout(s)
	}))
	f.Get("/api/slow", fiberAPI(a, session.Optimistic, func(c *fiber.Ctx, s *session.Session) error {
		return a.Slow(c.UserContext(), s, c.Query("ms"), c.Query("key"), c.Query("value"))
	}))
	f.Post("/api/exclusive", fiberAPI(a, session.Exclusive, func(c *fiber.Ctx, s *session.Session) error {
		return app.Exclusive(c.UserContext(), s, c.Query("ms"))
	}))
	f.Get("/api/events", fiberEvents(a))
	return f
}

// fiberAPI makes handlers that answer with the state of the session after do, or with what went wrong.
func fiberAPI(a *app.App, mode session.Mode, do func(*fiber.Ctx, *session.Session) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		s, err := sessionfiber.Get(c, mode)
		if err != nil {
			return err
		}
		if err := do(c, s); err != nil {
			return err
		}
		return c.JSON(a.State(s))
	}
}

func fiberEvents(a *app.App) fiber.Handler {
	return func(c *fiber.Ctx) error {
		s, err := sessionfiber.Get(c)
		if err != nil {
			return err
		}
		if err := a.Subscribe(s); err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, "text/event-stream")
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { // runs after the commit, and must not use c
			for event := range a.Events(context.Background()) {
				_, _ = w.WriteString(event)
				if w.Flush() != nil {
					return // the visitor has left
				}
			}
		})
		return nil
	}
}

func fiberNode(name string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Set("X-Node", name)
		return c.Next()
	}
}

func fiberFail(c *fiber.Ctx, err error) error {
	status := app.Status(err)
	if failed, ok := errors.AsType[*fiber.Error](err); ok {
		status = failed.Code
	}
	app.Retry(&c.Response().Header, status)
	return c.Status(status).JSON(app.Explain(status, err))
}
