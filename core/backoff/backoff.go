// Package backoff keeps a misconfigured program from a storm of attempts that all end alike, for backends: after an attempt
// that only an operator can make succeed, such as a login with a wrong password, there is one a second, and all others fail
// at once with the same error. Other failures hold nobody back: what is away may return at any moment.
//
// # Concurrency
//
// A Gate is safe for concurrent use by any number of goroutines.
package backoff

import (
	"errors"
	"sync"
	"time"
)

// Pause is how long after a refusal the next attempt is allowed.
const Pause = time.Second

// Gate is what attempts go through. Connections that are there already are none: after a password was changed they keep
// working.
type Gate struct {
	hopeless func(error) bool

	mu      sync.Mutex
	refused error
	next    time.Time // when the next attempt is allowed
}

// New returns a Gate. hopeless tells which errors only an operator can end; it is called by Note, in any goroutine.
func New(hopeless func(error) bool) *Gate { return &Gate{hopeless: hopeless} }

// Attempt is to be called before an attempt, and Note with what became of it. It returns the error of the last refusal if it
// is too early for another attempt; errors.Is and As see through it. If it is not, everybody else has to wait for what
// becomes of this one, for Pause at most.
func (g *Gate) Attempt() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch now := time.Now(); {
	case g.refused == nil:
	case now.Before(g.next):
		return &earlier{g.refused}
	default:
		g.next = now.Add(Pause)
	}
	return nil
}

// Blocked returns what Attempt would, and lets others try: for a step that does not show whether an attempt succeeds.
func (g *Gate) Blocked() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused != nil && time.Now().Before(g.next) {
		return &earlier{g.refused}
	}
	return nil
}

// Note is to be called with the outcome of an attempt: a hopeless error closes the Gate for Pause, nil opens it, and all
// others change nothing. Neither do errors that Attempt or Blocked returned, so it may be given those too.
func (g *Gate) Note(err error) {
	if err != nil {
		if _, ours := errors.AsType[*earlier](err); ours || !g.hopeless(err) {
			return
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused, g.next = err, time.Now().Add(Pause)
}

// earlier is the error of an earlier attempt.
type earlier struct{ error }

func (e *earlier) Unwrap() error { return e.error }
