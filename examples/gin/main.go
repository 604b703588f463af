// Command gin shows a login, a counter of visits and a logout with gin.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
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
	r := gin.Default()
	r.Use(sessiongin.Middleware(sessions))
	r.GET("/", func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if err == nil {
			err = visits.Update(s, func(n int) int { return n + 1 }) // loses no visit of any other request
		}
		if err != nil {
			sessiongin.Fail(c, sessions, err) // 503 when the store cannot be asked: it is not known who the visitor is
			return
		}
		c.String(http.StatusOK, "hello %s, visit %d\n", cmp.Or(user.Get(s), "stranger"), visits.Get(s))
	})
	r.POST("/login", func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if err == nil { // check the password here
			err = errors.Join(s.Renew(), user.Set(s, c.PostForm("user"))) // a new id whenever rights change
		}
		if err != nil {
			sessiongin.Fail(c, sessions, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	r.POST("/logout", func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if err == nil {
			err = s.Destroy()
		}
		if err != nil {
			sessiongin.Fail(c, sessions, err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	log.Fatal(r.Run(cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080")))
}
