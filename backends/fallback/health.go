package fallback

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// failures is how many calls, each begun after the one before has failed, have to fail until a store counts as away. For the
	// fast one a call that takes longer than slow has failed.
	failures = 3
	slow     = 100 * time.Millisecond
	// scattered is how many calls of the fast store have to fail within scatteredFor until it counts as away although others work:
	// that is what one master of a cluster looks like that stands still. A slow answer is none of them.
	scattered    = 5
	scatteredFor = 10 * time.Second
	// proofs is how many probes in a row have to work, proofPause apart, until it counts as back.
	proofs     = 3
	proofPause = 100 * time.Millisecond
	// minProbe and maxProbe are the pauses between probes that fail. Each is drawn between nothing and the limit, so that
	// the nodes of an application do not come all at once.
	minProbe = 250 * time.Millisecond
	maxProbe = 5 * time.Second
)

var (
	errDown = fmt.Errorf("%w: it did not answer, and is not asked before a probe has worked", session.ErrUnavailable)
	errBusy = fmt.Errorf("%w: others write faster than the cache can follow", session.ErrUnavailable)
)

// breaker keeps calls from a store that does not answer. Only probes, which no visitor waits for, find out that it is back.
type breaker struct {
	name string
	slow time.Duration // a call that takes as long has failed; zero for none

	scatters bool // it may be away for some sessions, and there for others

	mu      sync.Mutex
	bad     int // calls in a row
	down    bool
	proven  bool // a probe has failed since then
	good    int  // probes in a row
	next    time.Time
	paused  time.Duration        // the limit of the pause before the next probe
	failed  time.Time            // when a call failed last
	counted time.Time            // when one that was counted in bad did
	silent  [scattered]time.Time // when the last ones did that had no answer
}

// shakyFor is how long after a failure a store counts as shaky: longer than a request takes.
const shakyFor = 10 * time.Second

// shaky reports whether some call has failed lately.
func (b *breaker) shaky(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down || now.Sub(b.failed) < shakyFor
}

func (b *breaker) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.down
}

// note counts the outcome of a call. alone says that there is no other store to go on with. It reports whether the store counts
// as away since then.
func (b *breaker) note(err error, took time.Duration, now time.Time, alone bool) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, session.ErrClosed): // the visitor's doing, and ours
		return false
	case !outage(err) && (b.slow == 0 || took < b.slow):
		b.bad = 0
		return false
	}
	b.failed = now
	if now.Add(-took).Before(b.counted) && !errors.Is(err, session.ErrMisconfigured) {
		return false // all calls of one moment, in which perhaps this machine stood still, are one
	}
	b.counted = now
	b.bad++
	if b.bad < failures && (alone || !b.scattered(err, now)) && !errors.Is(err, session.ErrMisconfigured) {
		return false
	}
	return b.trip(now)
}

// scattered counts a call that had no answer, whatever came between it and the one before. It reports whether there have been
// too many.
func (b *breaker) scattered(err error, now time.Time) bool {
	if !b.scatters || !outage(err) {
		return false
	}
	copy(b.silent[:], b.silent[1:])
	b.silent[scattered-1] = now
	return now.Sub(b.silent[0]) < scatteredFor
}

// trip makes the store count as away.
func (b *breaker) trip(now time.Time) (changed bool) {
	if b.down {
		return false
	}
	b.down, b.proven, b.good, b.next, b.paused = true, false, 0, now, minProbe
	return true
}

// refuted makes the store count as away because a probe has failed.
func (b *breaker) refuted(now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trip(now)
}

// away reports whether the store counts as away and a probe has said so too, which comes later than the calls: three of them may
// also fail because this machine is overloaded.
func (b *breaker) away() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down && b.proven
}

// due reports whether it is time for a probe.
func (b *breaker) due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down && !now.Before(b.next)
}

// probed counts a probe. It reports whether the store counts as back since then.
func (b *breaker) probed(err error, now time.Time, random io.Reader) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		var draw [4]byte
		_, _ = io.ReadFull(random, draw[:])
		b.proven = true
		b.good, b.next = 0, now.Add(time.Duration(float64(b.paused)*float64(binary.BigEndian.Uint32(draw[:]))/(1<<32)))
		b.paused = min(2*b.paused, maxProbe)
		return false
	}
	b.failed = now // until now
	b.good++
	b.next = now.Add(proofPause)
	if b.good < proofs {
		return false
	}
	b.down, b.bad, b.silent = false, 0, [scattered]time.Time{} // what failed before says nothing any more
	return true
}

// onFast makes a call of the fast store.
func (e *engine) onFast(ctx context.Context, call func() error) error {
	return e.guarded(ctx, &e.fastHealth, call)
}

// onDurable makes a call of the durable store.
func (e *engine) onDurable(ctx context.Context, call func() error) error {
	return e.guarded(ctx, &e.durableHealth, call)
}

func (e *engine) guarded(ctx context.Context, b *breaker, call func() error) error {
	switch {
	case ctx.Err() != nil: // no fault of the store
		return unavailable(ctx.Err())
	case e.closed.Load():
		return session.ErrClosed
	case !b.up():
		return errDown
	}
	begin := e.clock.Now()
	err := call()
	end := e.clock.Now()
	alone := b == &e.fastHealth && e.durableHealth.shaky(end) // then it may have what nobody else has
	if alone && !outage(err) {
		begin = end // late is better than nothing
	}
	if b.note(err, end.Sub(begin), end, alone) {
		e.report(Event{Kind: EventDown, Store: b.name, Err: err})
	}
	return err
}

// probe finds out whether a store that counts as away is back.
func (e *engine) probe(ctx context.Context, b *breaker, h session.Handler) {
	if !b.due(e.clock.Now()) {
		return
	}
	err := e.prove(ctx, b, h)
	if b.probed(err, e.clock.Now(), e.random) {
		e.report(Event{Kind: EventUp, Store: b.name})
	}
}

// prove makes a store take a session, show it, and forget it. One that can prove so itself does it on each of its servers.
func (e *engine) prove(ctx context.Context, b *breaker, h session.Handler) error {
	begin := e.clock.Now()
	err := errors.ErrUnsupported
	if p, ok := h.(session.Pinger); ok {
		err = p.Ping(ctx)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = e.visit(ctx, h)
	}
	if err == nil && b.slow > 0 && e.clock.Now().Sub(begin) > 3*b.slow {
		err = errDown
	}
	return err
}

// visit leads a session with a random id through its life.
func (e *engine) visit(ctx context.Context, h session.Handler) error {
	var id session.ID
	_, _ = io.ReadFull(e.random, id[:])
	now := e.clock.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: markLasts}
	err := h.Write(ctx, id, rec, session.Version{})
	if err == nil {
		_, err = h.Read(ctx, id)
	}
	if err == nil {
		err = h.Destroy(ctx, id)
	}
	return err
}

// outage reports whether a call failed, as opposed to having been answered.
func outage(err error) bool {
	if err == nil {
		return false
	}
	for _, answer := range []error{session.ErrNotFound, session.ErrExists, session.ErrConflict, session.ErrTooLarge, session.ErrCorrupt,
		session.ErrLocked, session.ErrLockLost, session.ErrRestarted, errors.ErrUnsupported} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return true
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", session.ErrUnavailable, err) }
