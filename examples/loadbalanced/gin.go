package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
)

// ginRoutes is the application on gin.
func ginRoutes(a *app.App, sessions *session.Manager) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery(), func(c *gin.Context) { c.Header("X-Node", a.Node().Name) }, sessiongin.Middleware(sessions))
	r.StaticFS("/static", app.Static())
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/", func(c *gin.Context) {
		s, err := sessiongin.Get(c, session.ReadOnly)
		status, page := a.Page(s, err)
		c.Data(status, "text/html; charset=utf-8", page)
	})
	r.GET("/api/session", ginAPI(a, session.ReadOnly, func(*gin.Context, *session.Session) error { return nil }))
	r.POST("/api/visit", ginAPI(a, session.Optimistic, func(_ *gin.Context, s *session.Session) error {
		return app.Visit(s)
	}))
	r.POST("/api/set", ginAPI(a, session.Optimistic, func(c *gin.Context, s *session.Session) error {
		return app.Set(s, c.Query("key"), c.Query("value"))
	}))
	r.POST("/api/login", ginAPI(a, session.Optimistic, func(c *gin.Context, s *session.Session) error {
		return app.Login(s, c.Query("user"))
	}))
	r.POST("/api/logout", ginAPI(a, session.Optimistic, func(_ *gin.Context, s *session.Session) error {
		return app.Logout(s)
	}))
	r.GET("/api/slow", ginAPI(a, session.Optimistic, func(c *gin.Context, s *session.Session) error {
		return a.Slow(c.Request.Context(), s, c.Query("ms"), c.Query("key"), c.Query("value"))
	}))
	r.POST("/api/exclusive", ginAPI(a, session.Exclusive, func(c *gin.Context, s *session.Session) error {
		return app.Exclusive(c.Request.Context(), s, c.Query("ms"))
	}))
	r.GET("/api/events", ginEvents(a))
	r.NoRoute(func(c *gin.Context) { c.JSON(http.StatusNotFound, app.Explain(http.StatusNotFound, nil)) })
	return r
}

// ginAPI makes handlers that answer with the state of the session after do, or with what went wrong.
func ginAPI(a *app.App, mode session.Mode, do func(*gin.Context, *session.Session) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		s, err := sessiongin.Get(c, mode)
		if err == nil {
			err = do(c, s)
		}
		if err != nil {
			ginFail(c, err)
			return
		}
		c.JSON(http.StatusOK, a.State(s))
	}
}

func ginEvents(a *app.App) gin.HandlerFunc {
	return func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if err == nil {
			err = a.Subscribe(s)
		}
		if err != nil {
			ginFail(c, err)
			return
		}
		c.Header("Content-Type", "text/event-stream")
		for event := range a.Events(c.Request.Context()) {
			_, _ = c.Writer.WriteString(event) // the first one commits the session
			c.Writer.Flush()
		}
	}
}

func ginFail(c *gin.Context, err error) {
	status := app.Status(err)
	app.Retry(c.Writer.Header(), status)
	c.AbortWithStatusJSON(status, app.Explain(status, err))
}
