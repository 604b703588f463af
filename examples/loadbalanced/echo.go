package main

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
)

// echoRoutes is the application on echo.
func echoRoutes(a *app.App, sessions *session.Manager) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = echoFail
	e.Use(middleware.Recover(), echoNode(a.Node().Name), sessionecho.Middleware(sessions))
	e.GET("/static/*", echo.WrapHandler(http.StripPrefix("/static/", http.FileServer(app.Static()))))
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	e.GET("/", func(c echo.Context) error {
		s, err := sessionecho.Get(c, session.ReadOnly)
		status, page := a.Page(s, err)
		return c.HTMLBlob(status, page)
	})
	e.GET("/api/session", echoAPI(a, session.ReadOnly, func(echo.Context, *session.Session) error { return nil }))
	e.POST("/api/visit", echoAPI(a, session.Optimistic, func(_ echo.Context, s *session.Session) error {
		return app.Visit(s)
	}))
	e.POST("/api/set", echoAPI(a, session.Optimistic, func(c echo.Context, s *session.Session) error {
		return app.Set(s, c.QueryParam("key"), c.QueryParam("value"))
	}))
	e.POST("/api/login", echoAPI(a, session.Optimistic, func(c echo.Context, s *session.Session) error {
		return app.Login(s, c.QueryParam("user"))
	}))
	e.POST("/api/logout", echoAPI(a, session.Optimistic, func(_ echo.Context, s *session.Session) error {
		return app.Logout(s)
	}))
	e.GET("/api/slow", echoAPI(a, session.Optimistic, func(c echo.Context, s *session.Session) error {
		return a.Slow(c.Request().Context(), s, c.QueryParam("ms"), c.QueryParam("key"), c.QueryParam("value"))
	}))
	e.POST("/api/exclusive", echoAPI(a, session.Exclusive, func(c echo.Context, s *session.Session) error {
		return app.Exclusive(c.Request().Context(), s, c.QueryParam("ms"))
	}))
	e.GET("/api/events", echoEvents(a))
	return e
}

// echoAPI makes handlers that answer with the state of the session after do, or with what went wrong.
func echoAPI(a *app.App, mode session.Mode, do func(echo.Context, *session.Session) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		s, err := sessionecho.Get(c, mode)
		if err != nil {
			return err
		}
		if err := do(c, s); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, a.State(s))
	}
}

func echoEvents(a *app.App) echo.HandlerFunc {
	return func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil {
			return err
		}
		if err := a.Subscribe(s); err != nil {
			return err
		}
		w := c.Response()
		w.Header().Set(echo.HeaderContentType, "text/event-stream")
		for event := range a.Events(c.Request().Context()) {
			if _, err := w.Write([]byte(event)); err != nil { // the first one commits the session
				return err
			}
			w.Flush()
		}
		return nil
	}
}

func echoNode(name string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("X-Node", name)
			return next(c)
		}
	}
}

func echoFail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status := app.Status(err)
	if failed, ok := errors.AsType[*echo.HTTPError](err); ok {
		status = failed.Code
	}
	app.Retry(c.Response().Header(), status)
	_ = c.JSON(status, app.Explain(status, err)) // a visitor who has left reads nothing
}
