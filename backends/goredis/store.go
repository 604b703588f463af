package goredis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

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

// Client is what a Store needs of a client. *redis.Client, *redis.ClusterClient and redis.UniversalClient have it.
type Client interface {
	// Process runs cmd and leaves the outcome in it.
	Process(ctx context.Context, cmd redis.Cmder) error
}

// Options are the settings of a Store. The zero value is ready to use.
type Options struct {
	// Prefix begins every key; default DefaultPrefix. Stores with different prefixes do not see each other's sessions.
	// It must not hold braces, which would put all sessions on one node of a cluster.
	Prefix string
	// MaxBytes is the largest encoded record that is taken, in bytes; a larger one is session.ErrTooLarge. The default
	// is DefaultMaxBytes, the maximum 512 MiB.
	MaxBytes int
	// Pipelines is how many batches of commands may be under way at once to the server of a *redis.Client; default
	// DefaultPipelines. Negative: each command has a connection for itself, as with any other client. See the package
	// documentation.
	Pipelines int
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent
// use. Close ends its subscription, and closes the client if the Store was opened from a URL; every call after it, and
// every call that it interrupts, is session.ErrClosed.
type Store struct{ *redisstore.Store }

// New returns a Store that uses client; nil opts mean the zero value. The client stays the caller's to close.
//
// The client's options must have ContextTimeoutEnabled, else no deadline would end a call to a server that stalls. Its
// timeouts should be shorter than the session.Manager's budgets, and MaxRetries -1: the Manager repeats what is worth it.
// A cluster client must not read from replicas, which may miss sessions and hold ended ones.
//
// The first request that waits for a lock subscribes to a channel, with a connection of its own, if the client has
// Subscribe as those of go-redis do; else waiters poll. Close ends that, so close the Store also if the client is yours.
func New(client Client, opts *Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("goredis: the client is nil")
	}
	if err := checkClient(client); err != nil {
		return nil, fmt.Errorf("goredis: %w", err)
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	return newStore(newConn(client, nil, o.Pipelines).through(), client, o, nil)
}

// newStore makes a Store of a client and how it is to be used.
func newStore(through redisstore.Conn, client Client, o Options, closeClient func() error) (*Store, error) {
	_, counted := client.(interface{ Options() *redis.Options }) // it is not one for a cluster
	s, err := redisstore.New(through, counted, redisstore.Options(o), closeClient)
	if err != nil {
		return nil, fmt.Errorf("goredis: %w", err)
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

// checkClient refuses clients that would break a promise of the contract. One that does not show its options is taken as
// it is.
func checkClient(client Client) error {
	bounded := true
	switch c := client.(type) {
	case interface{ Options() *redis.Options }:
		bounded = c.Options().ContextTimeoutEnabled
	case interface{ Options() *redis.RingOptions }:
		bounded = c.Options().ContextTimeoutEnabled
	case interface{ Options() *redis.ClusterOptions }:
		o := c.Options()
		bounded = o.ContextTimeoutEnabled
		if o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return errors.New("the cluster client reads from replicas, which lag behind: " +
				"unset ReadOnly, RouteByLatency and RouteRandomly in its options")
		}
	}
	if !bounded {
		return errors.New("the client ignores the deadlines of contexts: set ContextTimeoutEnabled: true in its options")
	}
	return nil
}
