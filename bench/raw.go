package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	redigo "github.com/gomodule/redigo/redis"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

type (
	ginContext   = *gin.Context
	echoContext  = echo.Context
	fiberContext = *fiber.Ctx
)

const (
	ttl        = time.Hour
	connection = 64 // the most clients that a workload has, so that no variant opens connections while it is measured
	rawCookie  = "sid"
	counter    = 12 // digits in front of the raw data
)

// rawStore is a client library, used by hand: the floor.
type rawStore interface {
	get(ctx context.Context, key string) ([]byte, error)
	slide(ctx context.Context, key string) ([]byte, error)
	set(ctx context.Context, key string, data []byte) error
	del(ctx context.Context, key string) error
}

// rawOps are the least that can be done: a cookie, and one command for each step. Nothing detects a conflict.
func rawOps[C any](st rawStore, from func(C) (context.Context, string), give func(C, string)) ops[C] {
	look := func(get func(context.Context, string) ([]byte, error)) func(C) (int, error) {
		return func(c C) (int, error) {
			data, err := get(from(c))
			if err != nil || len(data) < counter+len(userValue) {
				return 0, fmt.Errorf("raw read of %d bytes: %w", len(data), err)
			}
			return len(data[counter : counter+len(userValue)]), nil
		}
	}
	return ops[C]{
		read: look(st.get), slide: look(st.slide),
		change: func(c C) (int, error) {
			ctx, key := from(c)
			data, err := st.get(ctx, key)
			if err != nil || len(data) < counter {
				return 0, fmt.Errorf("raw read of %d bytes: %w", len(data), err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(data[:counter])))
			if err != nil {
				return 0, err
			}
			copy(data, fmt.Appendf(nil, "%*d", counter, n+1))
			return n + 1, st.set(ctx, key, data)
		},
		login: func(c C) error {
			ctx, _ := from(c)
			key := rand.Text() + rand.Text()
			give(c, key)
			return st.set(ctx, key, fmt.Appendf(nil, "%*d%s%s", counter, 0, userValue, strings.Repeat("x", csrfSize+pageSize+50)))
		},
		logout: func(c C) error { return st.del(from(c)) },
	}
}

func rawHTTP(st rawStore) server { return serveHTTP(rawOps(st, rawID, rawGive), nil) }

func rawID(x exchange) (context.Context, string) {
	if c, err := x.r.Cookie(rawCookie); err == nil {
		return x.r.Context(), c.Value
	}
	return x.r.Context(), ""
}

func rawGive(x exchange, key string) {
	http.SetCookie(x.w, &http.Cookie{Name: rawCookie, Value: key, HttpOnly: true})
}

func rawGin(st rawStore) server {
	return serveGin(rawOps(st, func(c *gin.Context) (context.Context, string) {
		v, _ := c.Cookie(rawCookie)
		return c.Request.Context(), v
	}, func(c *gin.Context, key string) { c.SetCookie(rawCookie, key, 0, "/", "", false, true) }))
}

func rawEcho(st rawStore) server {
	return serveEcho(rawOps(st, func(c echo.Context) (context.Context, string) {
		if v, err := c.Cookie(rawCookie); err == nil {
			return c.Request().Context(), v.Value
		}
		return c.Request().Context(), ""
	}, func(c echo.Context, key string) {
		c.SetCookie(&http.Cookie{Name: rawCookie, Value: key, HttpOnly: true})
	}))
}

func rawFiber(st rawStore) server {
	return serveFiber(rawOps(st, func(c *fiber.Ctx) (context.Context, string) {
		return c.UserContext(), c.Cookies(rawCookie)
	}, func(c *fiber.Ctx, key string) { c.Cookie(&fiber.Cookie{Name: rawCookie, Value: key, HTTPOnly: true}) }))
}

func rawVariants() []variant {
	on := func(name, framework, floor string, serve func(rawStore) server, open func(env) (rawStore, error)) variant {
		return variant{name: name, framework: framework, floor: floor, redis: true, open: func(e env) (server, error) {
			st, err := open(e)
			if err != nil {
				return nil, err
			}
			return serve(st), nil
		}}
	}
	mysql := on("raw-mysql", "http", "raw-mysql", rawHTTP, openRawMySQL)
	mysql.mysql, mysql.redis = true, false
	return []variant{
		crowd(on("raw-goredis", "http", "raw-goredis", rawHTTP, rawGoredis)),
		crowd(on("raw-redigo", "http", "raw-redigo", rawHTTP, rawRedigo)),
		only(variant{name: "raw-goredis-guarded", framework: "http", floor: "raw-goredis", redis: true, open: guardedHTTP}, "read", "change"),
		on("raw-rueidis", "http", "raw-rueidis", rawHTTP, rawRueidis),
		on("raw-gin", "gin", "raw-gin", rawGin, rawGoredis),
		on("raw-echo", "echo", "raw-echo", rawEcho, rawGoredis),
		on("raw-fiber", "fiber", "raw-fiber", rawFiber, rawGoredis),
		mysql,
		only(on("raw-goredis-defaults", "http", "raw-goredis-defaults", rawHTTP, func(e env) (rawStore, error) {
			return goredisRaw{redis.NewClient(&redis.Options{Addr: e.redis, DB: e.db})}, nil
		}), "defaults"),
		only(on("raw-redigo-defaults", "http", "raw-redigo-defaults", rawHTTP, func(e env) (rawStore, error) {
			return redigoRaw{&redigo.Pool{MaxIdle: 3, IdleTimeout: 240 * time.Second, Dial: func() (redigo.Conn, error) {
				return redigo.Dial("tcp", e.redis, redigo.DialDatabase(e.db)) // the pool of its documentation
			}}}, nil
		}), "defaults"),
	}
}

// goredisClient is the client of all variants on go-redis.
func goredisClient(e env) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: e.redis, DB: e.db, PoolSize: connection, ContextTimeoutEnabled: true, MaxRetries: -1, DisableIdentity: true,
	})
}

// redigoPool is the pool of all variants on redigo.
func redigoPool(e env) *redigo.Pool {
	return &redigo.Pool{MaxIdle: connection, MaxActive: connection, Wait: true, Dial: func() (redigo.Conn, error) {
		return redigo.Dial("tcp", e.redis, redigo.DialDatabase(e.db), redigo.DialConnectTimeout(5*time.Second),
			redigo.DialReadTimeout(5*time.Second), redigo.DialWriteTimeout(5*time.Second))
	}}
}

type goredisRaw struct{ c *redis.Client }

func rawGoredis(e env) (rawStore, error) { return goredisRaw{goredisClient(e)}, nil }

func (g goredisRaw) get(ctx context.Context, key string) ([]byte, error) {
	return g.c.Get(ctx, key).Bytes()
}

func (g goredisRaw) slide(ctx context.Context, key string) ([]byte, error) {
	return g.c.GetEx(ctx, key, ttl).Bytes()
}

func (g goredisRaw) set(ctx context.Context, key string, data []byte) error {
	return g.c.Set(ctx, key, data, ttl).Err()
}
func (g goredisRaw) del(ctx context.Context, key string) error { return g.c.Del(ctx, key).Err() }

type redigoRaw struct{ pool *redigo.Pool }

func rawRedigo(e env) (rawStore, error) { return redigoRaw{redigoPool(e)}, nil }

func (r redigoRaw) do(ctx context.Context, command string, args ...any) (any, error) {
	c, err := r.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	v, err := c.Do(command, args...)
	return v, errors.Join(err, c.Close())
}

func (r redigoRaw) get(ctx context.Context, key string) ([]byte, error) {
	return redigo.Bytes(r.do(ctx, "GET", key))
}

func (r redigoRaw) slide(ctx context.Context, key string) ([]byte, error) {
	return redigo.Bytes(r.do(ctx, "GETEX", key, "EX", int(ttl.Seconds())))
}

func (r redigoRaw) set(ctx context.Context, key string, data []byte) error {
	_, err := r.do(ctx, "SET", key, data, "EX", int(ttl.Seconds()))
	return err
}

func (r redigoRaw) del(ctx context.Context, key string) error {
	_, err := r.do(ctx, "DEL", key)
	return err
}

type rueidisRaw struct{ c rueidis.Client }

func rawRueidis(e env) (rawStore, error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{e.redis}, SelectDB: e.db, DisableCache: true,
		Dialer: net.Dialer{KeepAlive: time.Hour}, // it sends a PING as often, which would count as another variant's
	})
	return rueidisRaw{c}, err
}

func (r rueidisRaw) get(ctx context.Context, key string) ([]byte, error) {
	return r.c.Do(ctx, r.c.B().Get().Key(key).Build()).AsBytes()
}

func (r rueidisRaw) slide(ctx context.Context, key string) ([]byte, error) {
	return r.c.Do(ctx, r.c.B().Getex().Key(key).ExSeconds(int64(ttl.Seconds())).Build()).AsBytes()
}

func (r rueidisRaw) set(ctx context.Context, key string, data []byte) error {
	return r.c.Do(ctx, r.c.B().Set().Key(key).Value(rueidis.BinaryString(data)).ExSeconds(int64(ttl.Seconds())).Build()).Error()
}

func (r rueidisRaw) del(ctx context.Context, key string) error {
	return r.c.Do(ctx, r.c.B().Del().Key(key).Build()).Error()
}

// mysqlRaw uses prepared statements, which is what costs MariaDB least.
type mysqlRaw struct{ selectIt, touch, store, remove *sql.Stmt }

func openRawMySQL(e env) (rawStore, error) {
	db, err := openMySQL(e, false)
	if err != nil {
		return nil, err
	}
	const table = "CREATE TABLE IF NOT EXISTS raw (id VARCHAR(64) PRIMARY KEY, data BLOB NOT NULL, expires BIGINT NOT NULL, KEY (expires))"
	if _, err := db.Exec(table); err != nil {
		return nil, err
	}
	var m mysqlRaw
	for text, into := range map[string]**sql.Stmt{
		"SELECT data FROM raw WHERE id = ? AND expires > ?":                                                       &m.selectIt,
		"UPDATE raw SET expires = ? WHERE id = ?":                                                                 &m.touch,
		"INSERT INTO raw VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE data = VALUES(data), expires = VALUES(expires)": &m.store,
		"DELETE FROM raw WHERE id = ?":                                                                            &m.remove,
	} {
		if *into, err = db.Prepare(text); err != nil { //nolint:sqlclosecheck // they live as long as the process
			return nil, err
		}
	}
	return m, nil
}

func (m mysqlRaw) get(ctx context.Context, key string) (data []byte, err error) {
	err = m.selectIt.QueryRowContext(ctx, key, time.Now().UnixMilli()).Scan(&data)
	return data, err
}

func (m mysqlRaw) slide(ctx context.Context, key string) ([]byte, error) {
	if _, err := m.touch.ExecContext(ctx, time.Now().Add(ttl).UnixMilli(), key); err != nil {
		return nil, err
	}
	return m.get(ctx, key)
}

func (m mysqlRaw) set(ctx context.Context, key string, data []byte) error {
	_, err := m.store.ExecContext(ctx, key, data, time.Now().Add(ttl).UnixMilli())
	return err
}

func (m mysqlRaw) del(ctx context.Context, key string) error {
	_, err := m.remove.ExecContext(ctx, key)
	return err
}
