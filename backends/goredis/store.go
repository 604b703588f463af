package goredis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPrefix begins every key unless Options.Prefix says otherwise.
	DefaultPrefix = "nonstick:"
	// DefaultMaxBytes is the largest encoded record that a Store takes: about what a network of 1 Gbit/s moves within
	// the default timeouts.
	DefaultMaxBytes = 16 << 20

	maxBytesLimit = 512 << 20 // of a Redis string, unless proto-max-bulk-len raises it
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
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	client   Client
	owned    io.Closer // the client, if the Store made it
	prefix   string
	maxBytes int
	write    script
	touch    script
	closed   atomic.Bool

	acquire, writeRelease, extend, release script

	wakes *wakes
	heard int // 1 if PUBLISH tells whether anybody listens
}

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
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, errors.New("goredis: Options.Prefix must not hold braces: they would put all sessions on one node of a cluster")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxBytes < 0 || o.MaxBytes > maxBytesLimit {
		return nil, fmt.Errorf("goredis: Options.MaxBytes must be between 1 and %d", maxBytesLimit)
	}
	s := &Store{
		client:       client,
		prefix:       o.Prefix,
		maxBytes:     o.MaxBytes,
		write:        newScript(writeScript),
		touch:        newScript(touchScript),
		acquire:      newScript(acquireScript),
		writeRelease: newScript(writeReleaseScript),
		extend:       newScript(extendScript),
		release:      newScript(releaseScript),
		wakes:        newWakes(client, o.Prefix),
	}
	if _, single := client.(interface{ Options() *redis.Options }); single {
		s.heard = 1
	}
	return s, nil
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

// Close ends the Store's subscription, and closes the client if the Store was opened from a URL. Every call after it, and
// every call that it interrupts, is session.ErrClosed. Closing twice does no harm.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.wakes.stop()
	if s.owned == nil {
		return nil
	}
	return s.owned.Close()
}

// key returns the key of a session.
func (s *Store) key(id session.ID) string {
	var buf [128]byte // enough for prefixes of 64 bytes, then one more allocation
	return string(id.AppendHex(append(buf[:0], s.prefix...)))
}
