package redigo

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	connLifetime = 5 * time.Minute // so that the address of a server that moved is looked up again
	lifeJitter   = time.Minute     // by which some end earlier, lest all are made again at the same time
	idleTest     = 30 * time.Second
)

// dialer makes the connections that a URL describes.
type dialer struct {
	config *redisstore.Config
	gate   *backoff.Gate
	// first is a command, if not nil, that each connection must run before any other.
	first []any
	// connected, if not nil, is called for each connection.
	connected func()
}

// server makes a pool of connections to an address.
func (d *dialer) server(addr string) *server {
	return d.serverAt(addr, func(context.Context) (string, error) { return addr, nil })
}

// serverAt makes a pool of connections to the address that is valid when a connection is made.
func (d *dialer) serverAt(name string, addr func(ctx context.Context) (string, error)) *server {
	c := d.config
	s := &server{
		addr: name, readTimeout: c.ReadTimeout, poolTimeout: c.PoolTimeout, places: make(chan struct{}, c.PoolSize),
		dial: func(ctx context.Context) (redis.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
			defer cancel()
			at, err := addr(ctx)
			if err != nil {
				return nil, err
			}
			return d.dial(ctx, at)
		},
	}
	s.share(c.Options.Pipelines)
	pool := &redis.Pool{
		MaxIdle: c.PoolSize, IdleTimeout: connLifetime,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			conn, err := s.dial(ctx)
			if err != nil {
				return nil, err
			}
			l := conn.(*link)
			l.until(ctx)
			l.limits.pooled = true
			return l, nil
		},
		TestOnBorrowContext: func(ctx context.Context, conn redis.Conn, used time.Time) error {
			return s.test(ctx, conn.(*link), used, c.Options.Prefix)
		},
	}
	s.pool, s.closePool = pool, pool.Close
	return s
}

// dial makes a connection to a server for sessions, and logs in.
func (d *dialer) dial(ctx context.Context, addr string) (redis.Conn, error) {
	if err := d.gate.Attempt(); err != nil {
		return nil, err
	}
	password, err := d.config.Password.Read()
	if err != nil {
		d.gate.Note(err)
		return nil, err
	}
	l, err := d.login(ctx, addr, d.config.User, password, d.config.DB)
	if err == nil && d.first != nil {
		l.until(ctx)
		_, err = l.Do(d.first[0].(string), d.first[1:]...)
		if err = translate(err); err != nil {
			_ = l.Close()
		}
		l.limits.end = time.Time{}
	}
	d.gate.Note(err)
	if err != nil {
		return nil, err
	}
	if d.connected != nil {
		d.connected()
	}
	return l, nil
}

// login makes a connection to any server, and logs in if there is a password.
func (d *dialer) login(ctx context.Context, addr, user, password string, db int) (*link, error) {
	connect := (&net.Dialer{Timeout: d.config.DialTimeout}).DialContext
	if d.config.TLS != nil { // redigo's own handshake would not end with the context
		connect = (&tls.Dialer{NetDialer: &net.Dialer{Timeout: d.config.DialTimeout}, Config: d.config.TLS}).DialContext
	}
	conn, err := connect(ctx, d.config.Network, addr)
	if err != nil {
		return nil, err
	}
	l := newLink(conn, d.config.ReadTimeout, d.config.WriteTimeout)
	l.until(ctx)
	switch {
	case password == "":
	case user == "":
		_, err = l.Do("AUTH", password)
	default:
		_, err = l.Do("AUTH", user, password)
	}
	if err == nil && db != 0 {
		_, err = l.Do("SELECT", db)
	}
	if err != nil {
		_ = l.Close()
		return nil, translate(err)
	}
	l.limits.end = time.Time{}
	return l, nil
}

// translate makes an error of redigo one that package redisstore understands.
func translate(err error) error {
	if refused, ok := errors.AsType[redis.Error](err); ok {
		return redisstore.ServerError(refused)
	}
	if err != nil && err.Error() == "redigo: get on closed pool" { // it has no name
		return session.ErrClosed
	}
	return err
}

// hostPort joins what servers say of an address.
func hostPort(host string, port int64) string {
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}
