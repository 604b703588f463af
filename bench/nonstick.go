package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// nonstickOps are Nonstick's handlers, each asking for its session in the given mode.
func nonstickOps[C any](get func(C, ...session.Mode) (*session.Session, error), read, change session.Mode) ops[C] {
	user, csrf, page := session.NewKey[string]("user"), session.NewKey[string]("csrf"), session.NewKey[string]("page")
	count, cart := session.NewKey[int]("count"), session.NewKey[[]string]("cart")
	look := func(c C) (int, error) {
		s, err := get(c, read)
		if err != nil {
			return 0, err
		}
		return len(user.Get(s)), nil
	}
	return ops[C]{
		read: look, slide: look,
		change: func(c C) (int, error) {
			s, err := get(c, change)
			if err != nil {
				return 0, err
			}
			if err := count.Update(s, func(n int) int { return n + 1 }); err != nil {
				return 0, err
			}
			return count.Get(s), nil
		},
		login: func(c C) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			// What Set reports is reported by the commit too.
			_ = user.Set(s, userValue)
			_ = csrf.Set(s, strings.Repeat("c", csrfSize))
			_ = page.Set(s, strings.Repeat("p", pageSize))
			_ = cart.Set(s, []string{"book", "pen"})
			return count.Set(s, 0)
		},
		logout: func(c C) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			return s.Destroy()
		},
	}
}

func nonstickHTTP(m *session.Manager, read, change session.Mode) server {
	return serveHTTP(nonstickOps(func(x exchange, mode ...session.Mode) (*session.Session, error) {
		return session.Get(x.r.Context(), mode...)
	}, read, change), m.Middleware)
}

// openStore opens one of the backends.
type openStore func(env) (session.Handler, error)

func openGoredis(e env) (session.Handler, error) { return goredis.New(goredisClient(e), nil) }

// openRedigo is as one gets it, with a pool like everybody's and no timeout that a busy machine would pass.
func openRedigo(e env) (session.Handler, error) {
	u, err := url.Parse(e.url())
	if err != nil {
		return nil, err
	}
	u.RawQuery = fmt.Sprintf("pool_size=%d&dial_timeout=5s&read_timeout=5s&write_timeout=5s&pool_timeout=5s", connection)
	return redigo.Open(u.String())
}

// openGoredisURL and openRedigoURL are as one gets them without an option.
func openGoredisURL(e env) (session.Handler, error) { return goredis.Open(e.url()) }
func openRedigoURL(e env) (session.Handler, error)  { return redigo.Open(e.url()) }

func openMemory(env) (session.Handler, error) { return memstore.New(nil), nil }

func openFiles(e env) (session.Handler, error) {
	return filestore.New(filepath.Join(e.dir, "nonstick"), &filestore.Options{NoSync: true})
}

// openDurable is as one gets it, with a pool like everybody's and no timeout that a busy machine would pass.
func openDurable(e env) (session.Handler, error) {
	return mysqlstore.Open(fmt.Sprintf("mysql://root@%s/bench?pool_size=%d&dial_timeout=5s&read_timeout=5s&write_timeout=5s", e.mysql, connection))
}

// openDurablePool is the same on a pool of the program's, on which nothing is prepared.
func openDurablePool(e env) (session.Handler, error) {
	db, err := openMySQL(e, true)
	if err != nil {
		return nil, err
	}
	return mysqlstore.New(db, &mysqlstore.Options{Table: "pool"})
}

func openFallback(e env) (session.Handler, error) {
	fast, err := openGoredis(e)
	if err != nil {
		return nil, err
	}
	db, err := openMySQL(e, true)
	if err != nil {
		return nil, err
	}
	durable, err := mysqlstore.New(db, &mysqlstore.Options{Table: "behind_redis"})
	if err != nil {
		return nil, err
	}
	return fallback.New(fast, durable, nil)
}

// on is a variant of Nonstick: a store below, a framework above.
func on(name, framework, floor string, open openStore, o session.Options, serve func(*session.Manager) server) variant {
	return variant{name: name, framework: framework, floor: floor, redis: true, open: func(e env) (server, error) {
		store, err := open(e)
		if err != nil {
			return nil, err
		}
		o.GCInterval = -1
		m, err := session.New(store, o)
		if err != nil {
			return nil, err
		}
		return serve(m), nil
	}}
}

func plain(m *session.Manager) server { return nonstickHTTP(m, session.Optimistic, session.Optimistic) }

func exclusive(m *session.Manager) server {
	return nonstickHTTP(m, session.Optimistic, session.Exclusive)
}

func readOnly(m *session.Manager) server {
	return nonstickHTTP(m, session.ReadOnly, session.Optimistic)
}

// seldom has no session kept alive while it is measured: each would be once in a round, since rounds are as long as the
// default interval and its requests are few. What that costs, always measures.
func seldom() session.Options { return session.Options{TouchInterval: 30 * time.Minute} }

func always() session.Options { return session.Options{TouchInterval: time.Nanosecond} }

func nonstickVariants() []variant {
	o, locking := seldom(), seldom()
	locking.Lock.MaxWaiters = connection // no more come at once, so none is refused
	return []variant{
		crowd(on("nonstick-goredis", "http", "raw-goredis", openGoredis, o, plain)),
		crowd(on("nonstick-redigo", "http", "raw-redigo", openRedigo, o, plain)),
		only(on("nonstick-goredis-readonly", "http", "raw-goredis", openGoredis, o, readOnly), "read"),
		crowd(only(on("nonstick-goredis-exclusive", "http", "raw-goredis", openGoredis, locking, exclusive), "change", "hot")),
		only(on("nonstick-redigo-exclusive", "http", "raw-redigo", openRedigo, locking, exclusive), "change", "hot"),
		only(on("nonstick-goredis-touch", "http", "raw-goredis", openGoredis, always(), plain), "slide"),
		only(on("nonstick-goredis-defaults", "http", "raw-goredis-defaults", openGoredisURL, o, plain), "defaults"),
		only(on("nonstick-redigo-defaults", "http", "raw-redigo-defaults", openRedigoURL, o, plain), "defaults"),
		on("nonstick-gin", "gin", "raw-gin", openGoredis, o, func(m *session.Manager) server {
			return serveGin(nonstickOps(sessiongin.Get, session.Optimistic, session.Optimistic), sessiongin.Middleware(m))
		}),
		on("nonstick-echo", "echo", "raw-echo", openGoredis, o, func(m *session.Manager) server {
			return serveEcho(nonstickOps(sessionecho.Get, session.Optimistic, session.Optimistic), sessionecho.Middleware(m))
		}),
		on("nonstick-fiber", "fiber", "raw-fiber", openGoredis, o, func(m *session.Manager) server {
			return serveFiber(nonstickOps(sessionfiber.Get, session.Optimistic, session.Optimistic), sessionfiber.Middleware(m))
		}),
	}
}

// nonstickElsewhere are the backends that are not Redis alone.
func nonstickElsewhere() []variant {
	o := seldom()
	memory := on("nonstick-memory", "http", "nonstick-memory", openMemory, o, plain)
	files := on("nonstick-files", "http", "gorilla-files", openFiles, o, plain)
	mysql := on("nonstick-mysql", "http", "raw-mysql", openDurable, o, plain)
	pool := on("nonstick-mysql-pool", "http", "raw-mysql", openDurablePool, o, plain)
	touch := only(on("nonstick-mysql-touch", "http", "raw-mysql", openDurable, always(), plain), "slide")
	both := on("nonstick-fallback", "http", "raw-goredis", openFallback, o, plain)
	memory.redis, files.redis, mysql.redis, pool.redis, touch.redis = false, false, false, false, false
	mysql.mysql, pool.mysql, touch.mysql, both.mysql = true, true, true, true
	return []variant{memory, files, mysql, pool, touch, both}
}

// crowd is measured in several processes too.
func crowd(v variant) variant {
	v.crowd = true
	return v
}

func only(v variant, workloads ...string) variant {
	v.only = workloads
	return v
}
