package main

import (
	"context"
	"encoding/gob"
	"os"
	"path/filepath"
	"strings"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	rbcervilla "github.com/rbcervilla/redisstore/v9"
)

const (
	peerName = "peer"
	peerKey  = "0123456789abcdef0123456789abcdef"
)

// gorillaOps follow gorilla's documentation; under echo-contrib, get is its own.
func gorillaOps[C any](get func(C) (*sessions.Session, error), x func(C) exchange) ops[C] {
	save := func(c C, s *sessions.Session) error { e := x(c); return s.Save(e.r, e.w) }
	look := func(saved bool) func(C) (int, error) {
		return func(c C) (int, error) {
			s, err := get(c)
			if err != nil {
				return 0, err
			}
			user, _ := s.Values["user"].(string)
			if saved {
				err = save(c, s)
			}
			return len(user), err
		}
	}
	return ops[C]{
		read: look(false), slide: look(true),
		change: func(c C) (int, error) {
			s, err := get(c)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["count"].(int)
			s.Values["count"] = n + 1
			return n + 1, save(c, s)
		},
		login: func(c C) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			s.Values["user"], s.Values["count"], s.Values["cart"] = userValue, 0, []string{"book", "pen"}
			s.Values["csrf"], s.Values["page"] = strings.Repeat("c", csrfSize), strings.Repeat("p", pageSize)
			return save(c, s)
		},
		logout: func(c C) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			s.Options.MaxAge = -1
			return save(c, s)
		},
	}
}

func gorillaOn(name, floor string, open func(env) (sessions.Store, error)) variant {
	return variant{name: name, framework: "http", floor: floor, redis: true, open: func(e env) (server, error) {
		gob.Register([]string{})
		store, err := open(e)
		if err != nil {
			return nil, err
		}
		return serveHTTP(gorillaOps(func(x exchange) (*sessions.Session, error) { return store.Get(x.r, peerName) },
			func(x exchange) exchange { return x }), nil), nil
	}}
}

func gorillaVariants() []variant {
	files := gorillaOn("gorilla-files", "gorilla-files", func(e env) (sessions.Store, error) {
		dir := filepath.Join(e.dir, "gorilla")
		s := sessions.NewFilesystemStore(dir, []byte(peerKey))
		s.MaxLength(1 << 20)
		return s, os.MkdirAll(dir, 0o700)
	})
	files.redis = false
	return []variant{
		gorillaOn("gorilla-boj", "raw-redigo", func(e env) (sessions.Store, error) {
			return redistore.NewRediStoreWithPool(bojPool(e), []byte(peerKey))
		}),
		gorillaOn("gorilla-rbcervilla", "raw-goredis", openRbcervilla),
		files,
	}
}

func openRbcervilla(e env) (sessions.Store, error) {
	return rbcervilla.NewRedisStore(context.Background(), goredisClient(e))
}
