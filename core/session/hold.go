package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// hold is a lock that a request has, from Acquire to its release. While the handler runs, it renews the lease.
type hold struct {
	m     *Manager
	ctx   context.Context // of the request, for its values
	id    ID
	token LockToken
	took  time.Time

	mu    sync.Mutex
	end   time.Time // until then the lease is certain
	short bool      // the lease is that of a lock that was handed over
	timer *time.Timer
	over  bool
	lost  bool
	tell  chan struct{} // closed when lost; nil until somebody listens
}

// start begins to renew the lease, a third of it from now; most requests are over before that. The lease ends at expires
// if that is not zero.
func (h *hold) start(expires time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lease := h.m.o.Lock.Lease
	if h.short = !expires.IsZero(); h.short {
		lease = expires.Sub(h.took)
	}
	h.end = h.took.Add(lease - lease/10) // clocks run at slightly different speeds
	h.timer = time.AfterFunc(jitter(lease/3), h.renew)
}

// renew asks the store for a fresh lease, again and again while the request runs. It never gives up before MaxHold: a
// lease that has ended may still be renewed if nobody else has asked for the lock. And whoever was handed the lock gets a
// whole lease, as those do who have asked for it.
func (h *hold) renew() {
	lease := h.m.o.Lock.Lease
	h.mu.Lock()
	short := h.short
	h.mu.Unlock()
	if limit := h.m.o.Lock.MaxHold; limit > 0 && !short && time.Since(h.took)+lease > limit {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), h.m.o.ReadTimeout)
	defer cancel()
	sent := time.Now()
	err := h.m.do(ctx, func() error { return h.m.locker.Extend(ctx, h.id, h.token, lease) })
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	next := jitter(lease / 3)
	switch {
	case err == nil:
		h.end, h.short = sent.Add(lease-lease/10), false
	case answered(err, ErrLockLost), answered(err, ErrNotFound), errors.Is(err, ErrClosed):
		h.lose("extend", err)
		return
	default:
		h.m.observe(h.ctx, Event{Kind: EventFailed, Op: "extend", Err: err, id: h.id})
		next = jitter(lease / 10)
		if left := time.Until(h.end); left > 0 {
			next = min(next, left) // so that the handler learns in time that the lease is over
		} else {
			h.lose("extend", err)
		}
	}
	h.timer.Reset(next)
}

// lose notes that somebody else may have the lock.
func (h *hold) lose(op string, err error) {
	if h.lost {
		return
	}
	h.lost = true
	if h.tell != nil {
		close(h.tell)
	}
	if !answered(err, ErrNotFound) {
		h.m.observe(h.ctx, Event{Kind: EventLockLost, Op: op, Err: err, id: h.id})
	}
}

// listen returns a channel that is closed when the lock is lost.
func (h *hold) listen() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tell == nil {
		h.tell = make(chan struct{})
		if h.lost {
			close(h.tell)
		}
	}
	return h.tell
}

// release gives the lock back to the store, or a place in its queue.
func (h *hold) release(ctx context.Context) error {
	_, err := h.m.retry(ctx, func() error { return h.m.locker.Release(ctx, h.id, h.token) })
	return err
}

// stop ends the renewals and passes the turn on to the next request of this process.
func (h *hold) stop() {
	h.mu.Lock()
	h.over = true
	h.timer.Stop()
	h.mu.Unlock()
	h.m.turns.leave(h.id)
	h.m.observe(h.ctx, Event{Kind: EventUnlocked, Held: time.Since(h.took), id: h.id})
}

// abandon ends a hold that a panic has left behind before the session had it.
func (h *hold) abandon() {
	h.m.later(h.release)
	h.mu.Lock()
	h.over = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
	h.m.turns.leave(h.id)
}

// write stores rec, through the lock if there is one, which ends with it.
func (s *Session) write(ctx context.Context, id ID, rec Record, prev Version) (repeated bool, err error) {
	m, h := s.m, s.hold
	if h == nil {
		return m.write(ctx, id, s.named.secret(id), rec, prev)
	}
	m.envelope.seal(id, s.named.secret(id), &rec)
	repeated, err = m.retry(ctx, func() error { return m.locker.WriteRelease(ctx, id, rec, prev, h.token) })
	switch {
	case err == nil:
		s.released()
	case repeated && answered(err, ErrLockLost): // the first call may have been applied, and the lock taken after it
		err = fmt.Errorf("%w: it is unknown whether the change was stored", ErrUnavailable)
	}
	return repeated, err
}

// released notes that the store has the lock back.
func (s *Session) released() {
	if h := s.hold; h != nil {
		s.hold = nil
		h.stop()
	}
}

// drop gives the lock back without storing anything, if there is one.
func (s *Session) drop() {
	h := s.hold
	if h == nil {
		return
	}
	defer s.released()
	if errors.Is(s.result, ErrUnavailable) { // the visitor has waited enough
		s.m.later(h.release)
		return
	}
	ctx := s.writing.start(s.ctx, s.m, s.m.o.CommitTimeout, true)
	defer ctx.release()
	if err := h.release(ctx); err != nil && !errors.Is(err, ErrClosed) {
		s.observe(Event{Kind: EventFailed, Op: "release", Err: err, id: h.id})
	}
}
