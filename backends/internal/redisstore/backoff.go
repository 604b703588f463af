package redisstore

import (
	"sync"
	"time"
)

// backoff is how long a server is left alone after it has refused this program's configuration.
const backoff = time.Second

// Backoff keeps a misconfigured program from a storm of connections that all end alike: after a refusal there is one
// attempt a second, and whatever needs a connection in between fails at once. Connections that are there already are not
// concerned: after a password was changed they keep working. The zero value is ready to use; it is safe for concurrent use.
type Backoff struct {
	mu      sync.Mutex
	refused error
	next    time.Time // when the next attempt is allowed
}

// Blocked returns the error of an earlier attempt if it is too early for another one.
func (b *Backoff) Blocked() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused != nil && time.Now().Before(b.next) {
		return &earlier{b.refused}
	}
	return nil
}

// Attempt is Blocked for a connection that is going to log in. If that is not too early, others have to wait for what
// becomes of it.
func (b *Backoff) Attempt() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch now := time.Now(); {
	case b.refused == nil:
	case now.Before(b.next):
		return &earlier{b.refused}
	default:
		b.next = now.Add(backoff)
	}
	return nil
}

// Note is to be called with the error of a connection or a command, and with nil for a connection that is ready, logged in
// and all.
func (b *Backoff) Note(err error) {
	if err != nil && !noConnection(err) || is[*earlier](err) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused, b.next = err, time.Now().Add(backoff)
}

// earlier is the error of an earlier attempt.
type earlier struct{ error }

func (e *earlier) Unwrap() error { return e.error }
