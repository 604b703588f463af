package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
)

// The session of all variants: about 1 KiB in five keys.
const (
	userValue = "ann@example.org"
	csrfSize  = 43
	pageSize  = 850
)

// ops are what the handlers of a variant do with the session of a request. C is what its framework gives to a handler.
type ops[C any] struct {
	read   func(C) (int, error) // reads one key and returns its length
	slide  func(C) (int, error) // the same, and the session lives on from now
	change func(C) (int, error) // reads a counter, and stores and returns the next number
	login  func(C) error        // makes a session
	logout func(C) error        // ends it
}

// exchange is what net/http gives to a handler.
type exchange struct {
	w http.ResponseWriter
	r *http.Request
}

// routes are the paths that every variant serves, with what they do.
func routes[C any](o ops[C]) map[string]func(C) (int, error) {
	count := func(op func(C) error) func(C) (int, error) {
		return func(c C) (int, error) { return 1, op(c) }
	}
	all := map[string]func(C) (int, error){"/bare": func(C) (int, error) { return 1, nil }}
	if o.read != nil {
		all["/read"], all["/slide"], all["/change"] = o.read, o.slide, o.change
		all["/login"], all["/logout"] = count(o.login), count(o.logout)
	}
	return all
}

// server serves until the process ends.
type server func(net.Listener) error

func serveHTTP(o ops[exchange], wrap func(http.Handler) http.Handler) server {
	mux := http.NewServeMux()
	for path, op := range routes(o) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			n, err := op(exchange{w, r})
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = w.Write([]byte(strconv.Itoa(n)))
		})
	}
	var h http.Handler = mux
	if wrap != nil {
		h = wrap(h)
	}
	return func(ln net.Listener) error { return http.Serve(ln, h) }
}

func serveGin(o ops[*gin.Context], middleware ...gin.HandlerFunc) server {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(middleware...)
	for path, op := range routes(o) {
		r.GET(path, func(c *gin.Context) {
			n, err := op(c)
			if err != nil {
				c.String(http.StatusInternalServerError, "%v", err)
				return
			}
			_, _ = c.Writer.WriteString(strconv.Itoa(n))
		})
	}
	return func(ln net.Listener) error { return http.Serve(ln, r) }
}

func serveEcho(o ops[echo.Context], middleware ...echo.MiddlewareFunc) server {
	e := echo.New()
	e.Use(middleware...)
	for path, op := range routes(o) {
		e.GET(path, func(c echo.Context) error {
			n, err := op(c)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			_, err = c.Response().Write([]byte(strconv.Itoa(n)))
			return err
		})
	}
	return func(ln net.Listener) error { return http.Serve(ln, e) }
}

func serveFiber(o ops[*fiber.Ctx], middleware ...any) server {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	if len(middleware) > 0 {
		app.Use(middleware...)
	}
	for path, op := range routes(o) {
		app.Get(path, func(c *fiber.Ctx) error {
			n, err := op(c)
			if err != nil {
				return err
			}
			return c.SendString(strconv.Itoa(n))
		})
	}
	return app.Listener
}
