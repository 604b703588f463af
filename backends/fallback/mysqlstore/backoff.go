package mysqlstore

import (
	"errors"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// pause is how long a server is left alone after it has refused this program's configuration.
const pause = time.Second

// backoff keeps a misconfigured program from a storm of attempts that all end alike: after a refusal there is one a second,
// and the others fail at once with the same error. The zero value is ready to use; it is safe for concurrent use.
type backoff struct {
	mu      sync.Mutex
	refused error
	next    time.Time // when the next attempt is allowed
}

// blocked returns the error of an earlier attempt if it is too early for another one. If it is not, others have to wait for
// what becomes of this one.
func (b *backoff) blocked() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case b.refused == nil:
		return nil
	case now.Before(b.next):
		return b.refused
	}
	b.next = now.Add(pause)
	return nil
}

// note is to be called with the outcome of an attempt. Only a refusal that an operator must end counts.
func (b *backoff) note(err error) {
	if err != nil && !errors.Is(err, session.ErrMisconfigured) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused, b.next = err, time.Now().Add(pause)
}
