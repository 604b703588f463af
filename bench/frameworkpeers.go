package main

import (
	"encoding/gob"
	"net/http"
	"strings"
	"time"

	ginsessions "github.com/gin-contrib/sessions"
	ginredis "github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	fibersession "github.com/gofiber/fiber/v2/middleware/session"
	fiberredis "github.com/gofiber/storage/redis/v3"
	redigo "github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
	echosession "github.com/labstack/echo-contrib/session"
	"github.com/labstack/echo/v4"
)

// bojPool is a pool as boj/redistore makes it, which tests each connection that it hands out, but large enough.
func bojPool(e env) *redigo.Pool {
	p := redigoPool(e)
	p.IdleTimeout = 240 * time.Second
	p.TestOnBorrow = func(c redigo.Conn, _ time.Time) error {
		_, err := c.Do("PING")
		return err
	}
	return p
}

func frameworkPeers() []variant {
	return []variant{
		{name: "gin-contrib", framework: "gin", floor: "raw-gin", redis: true, open: openGinContrib},
		{name: "echo-contrib", framework: "echo", floor: "raw-echo", redis: true, open: openEchoContrib},
		{name: "fiber-session", framework: "fiber", floor: "raw-fiber", redis: true, open: openFiberSession},
	}
}

func openGinContrib(e env) (server, error) {
	gob.Register([]string{})
	store, err := ginredis.NewStore(connection, "tcp", e.redis, "", "", []byte(peerKey))
	if err != nil {
		return nil, err
	}
	boj, err := ginredis.GetRedisStore(store)
	if err != nil {
		return nil, err
	}
	boj.Pool = bojPool(e) // for the database
	look := func(save bool) func(c *gin.Context) (int, error) {
		return func(c *gin.Context) (int, error) {
			s := ginsessions.Default(c)
			user, _ := s.Get("user").(string)
			if save {
				s.Set("user", user) // else Save does nothing
				return len(user), s.Save()
			}
			return len(user), nil
		}
	}
	return serveGin(ops[*gin.Context]{
		read: look(false), slide: look(true),
		change: func(c *gin.Context) (int, error) {
			s := ginsessions.Default(c)
			n, _ := s.Get("count").(int)
			s.Set("count", n+1)
			return n + 1, s.Save()
		},
		login: func(c *gin.Context) error {
			s := ginsessions.Default(c)
			s.Set("user", userValue)
			s.Set("csrf", strings.Repeat("c", csrfSize))
			s.Set("page", strings.Repeat("p", pageSize))
			s.Set("cart", []string{"book", "pen"})
			s.Set("count", 0)
			return s.Save()
		},
		logout: func(c *gin.Context) error {
			s := ginsessions.Default(c)
			s.Clear()
			s.Options(ginsessions.Options{MaxAge: -1})
			return s.Save()
		},
	}, ginsessions.Sessions(peerName, store)), nil
}

func openEchoContrib(e env) (server, error) {
	gob.Register([]string{})
	store, err := openRbcervilla(e)
	if err != nil {
		return nil, err
	}
	return serveEcho(gorillaOps(func(c echo.Context) (*sessions.Session, error) { return echosession.Get(peerName, c) },
		func(c echo.Context) exchange { return exchange{http.ResponseWriter(c.Response()), c.Request()} }),
		echosession.Middleware(store)), nil
}

func openFiberSession(e env) (server, error) {
	store := fibersession.New(fibersession.Config{Storage: fiberredis.NewFromConnection(goredisClient(e)), Expiration: ttl})
	store.RegisterType([]string{})
	look := func(save bool) func(c *fiber.Ctx) (int, error) {
		return func(c *fiber.Ctx) (int, error) {
			s, err := store.Get(c)
			if err != nil {
				return 0, err
			}
			user, _ := s.Get("user").(string)
			if save {
				err = s.Save()
			}
			return len(user), err
		}
	}
	return serveFiber(ops[*fiber.Ctx]{
		read: look(false), slide: look(true),
		change: func(c *fiber.Ctx) (int, error) {
			s, err := store.Get(c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Get("count").(int)
			s.Set("count", n+1)
			return n + 1, s.Save()
		},
		login: func(c *fiber.Ctx) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			s.Set("user", userValue)
			s.Set("csrf", strings.Repeat("c", csrfSize))
			s.Set("page", strings.Repeat("p", pageSize))
			s.Set("cart", []string{"book", "pen"})
			s.Set("count", 0)
			return s.Save()
		},
		logout: func(c *fiber.Ctx) error {
			s, err := store.Get(c)
			if err != nil {
				return err
			}
			return s.Destroy()
		},
	}), nil
}
