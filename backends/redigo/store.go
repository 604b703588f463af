package redigo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/batch"
)

const (
	// DefaultPrefix begins every key unless Options.Prefix says otherwise.
	DefaultPrefix = redisstore.DefaultPrefix
	// DefaultMaxBytes is the largest encoded record that a Store takes: about what a network of 1 Gbit/s moves within
	// the default timeouts.
	DefaultMaxBytes = redisstore.DefaultMaxBytes
	// DefaultPipelines is how many batches of commands are under way to a server at once, unless Options.Pipelines says otherwise.
	DefaultPipelines = batch.DefaultMost
)

// Pool is what a Store needs of a pool of connections. *redis.Pool has it.
type Pool interface {
	GetContext(ctx context.Context) (redis.Conn, error)
}

// Options are the settings of a Store. The zero value is ready to use.
type Options struct {
	// Prefix begins every key; default DefaultPrefix. Stores with different prefixes do not see each other's sessions.
	// It must not hold braces, which would put all sessions on one node of a cluster.
	Prefix string
	// MaxBytes is the largest encoded record that is taken, in bytes; a larger one is session.ErrTooLarge. The default
	// is DefaultMaxBytes, the maximum 512 MiB.
	MaxBytes int
	// Pipelines is how many batches of commands may be under way to a server at once; default DefaultPipelines. Negative: each
	// command has a connection for itself. See package goredis.
	Pipelines int
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent
// use. Close ends its subscription, and closes the connections if the Store was opened from a URL; every call after it,
// and every call that it interrupts, is session.ErrClosed.
type Store struct{ *redisstore.Store }

// New returns a Store that uses the connections of pool, all to one server; nil opts mean the zero value. The pool stays
// the caller's to close.
//
// The pool should wait when it has no connection left (Wait), since redigo otherwise fails at once; its connections should
// have been dialed with DialConnectTimeout and DialWriteTimeout, without which redigo may hang for ever; and connections
// that were idle for long should be tested (TestOnBorrow), or each fails once after a restart of the server. For an answer,
// and for a connection of the pool, a call waits until the deadline of its context, or for a second if there is none.
//
// The first request that waits for a lock subscribes to a channel, with a connection more that the pool's Dial function
// makes; a pool that is no *redis.Pool has none, and its waiters poll. Close ends that, so close the Store also if the pool
// is yours.
func New(pool Pool, opts *Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("redigo: the pool is nil")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &server{pool: pool, readTimeout: time.Second}
	s.share(o.Pipelines)
	if p, ok := pool.(*redis.Pool); ok {
		if p == nil || p.Dial == nil && p.DialContext == nil {
			return nil, errors.New("redigo: the pool cannot dial: set DialContext")
		}
		if s.dial = p.DialContext; s.dial == nil {
			s.dial = func(context.Context) (redis.Conn, error) { return p.Dial() }
		}
	}
	return newStore(conn{s}, true, o, nil)
}

func newStore(c redisstore.Conn, counted bool, o Options, closeAll func() error) (*Store, error) {
	s, err := redisstore.New(c, counted, redisstore.Options(o), closeAll)
	if err != nil {
		return nil, fmt.Errorf("redigo: %w", err)
	}
	return &Store{s}, nil
}

// Open opens the Store of a URL, as session.Open does: for programs that import several backends for Redis.
func Open(rawURL string) (*Store, error) {
	h, err := redisstore.Open(rawURL, name, open)
	if err != nil {
		return nil, err
	}
	return h.(*Store), nil
}
