package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// DefaultPrefix begins every key unless Options.Prefix says otherwise.
	DefaultPrefix = "nonstick:"
	// DefaultMaxBytes is the largest encoded record that a Store takes: about what a network of 1 Gbit/s moves within
	// the default timeouts.
	DefaultMaxBytes = 16 << 20

	maxBytesLimit = 512 << 20 // of a Redis string, unless proto-max-bulk-len raises it
)

// Options are the settings of a Store. The backends have the same under their own names.
type Options struct {
	Prefix   string // of every key; default DefaultPrefix
	MaxBytes int    // of an encoded record; default DefaultMaxBytes

	Pipelines int // of each server; default batch.DefaultMost, negative for none
}

// Store is a session.Handler, session.Toucher, session.ReplicaReader, session.Incarnated, session.Locker, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	conn     Conn
	close    func() error // of the client, if the Store made it
	prefix   string
	maxBytes int
	counted  bool // PUBLISH tells whether anybody listens
	wakes    *wakes
	closed   atomic.Bool

	replicas    *replicas // nil if they are not to be read
	wait        int       // for how many of them to wait
	waitTimeout time.Duration

	inspected    atomic.Bool
	incarnations incarnations

	write, touch, acquire, writeRelease, extend, release script
}

// New returns a Store that uses conn, or an error that says what is wrong with the options. counted tells that PUBLISH
// answers how many have heard the message, which it does not in a cluster. closeClient, which may be nil, is called by Close.
func New(conn Conn, counted bool, o Options, closeClient func() error) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, errors.New("Options.Prefix must not hold braces: they would put all sessions on one node of a cluster")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxBytes < 0 || o.MaxBytes > maxBytesLimit {
		return nil, fmt.Errorf("Options.MaxBytes must be between 1 and %d", maxBytesLimit)
	}
	channels := []any{o.Prefix + channelInfix, 0}
	if counted {
		channels[1] = 1
	}
	s := &Store{
		conn:         conn,
		close:        closeClient,
		prefix:       o.Prefix,
		maxBytes:     o.MaxBytes,
		counted:      counted,
		wakes:        newWakes(conn, o.Prefix),
		write:        newScript(writeScript),
		touch:        newScript(touchScript),
		acquire:      newScript(acquireScript, channels...),
		writeRelease: newScript(writeReleaseScript, channels...),
		extend:       newScript(extendScript, channels...),
		release:      newScript(releaseScript, channels...),
	}
	return s, nil
}

// Close ends the Store's subscription, and closes the client if the Store was opened from a URL. Every call after it, and
// every call that it interrupts, is session.ErrClosed. Closing twice does no harm.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.wakes.stop()
	s.incarnations.close()
	if s.replicas != nil {
		s.replicas.stop()
	}
	if s.close == nil {
		return nil
	}
	return s.close()
}

// key returns the key of a session.
func (s *Store) key(id session.ID) string {
	var buf [128]byte // enough for prefixes of 64 bytes, then one more allocation
	return string(id.AppendBase64(append(buf[:0], s.prefix...)))
}
