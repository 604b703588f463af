// Command echo shows a login, a counter of visits and a logout with echo.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
	_ "github.com/nonstick-go/nonstick/core/memstore" // memory://; another import brings file:// or redis://
	"github.com/nonstick-go/nonstick/core/session"
)

var (
	user   = session.NewKey[string]("user")
	visits = session.NewKey[int]("visits")
)

func main() {
	store, err := session.Open(context.Background(), "memory://")
	if err != nil {
		log.Fatal(err)
	}
	insecure := session.Cookie{Insecure: true} // plain http, for development only
	sessions, err := session.New(store, session.Options{Cookie: insecure})
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(middleware.Recover(), sessionecho.Middleware(sessions))
	e.GET("/", func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil {
			return err // echo answers 503 when the store cannot be asked: it is not known who the visitor is
		}
		if err := visits.Update(s, func(n int) int { return n + 1 }); err != nil { // loses no visit of any other request
			return err
		}
		return c.String(http.StatusOK, fmt.Sprintf("hello %s, visit %d\n", cmp.Or(user.Get(s), "stranger"), visits.Get(s)))
	})
	e.POST("/login", func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil { // check the password here
			return err
		}
		if err := errors.Join(s.Renew(), user.Set(s, c.FormValue("user"))); err != nil { // a new id whenever rights change
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	e.POST("/logout", func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil {
			return err
		}
		if err := s.Destroy(); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	log.Fatal(e.Start(cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080")))
}
