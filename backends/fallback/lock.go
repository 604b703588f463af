package fallback

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Locks are in the durable store, beside what they are about: so one change stores the session and gives the lock back, and
// whatever becomes of the fast store, no lock is lost.

// Acquire implements session.Locker.
func (e *engine) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	if err := e.prepare(ctx, id); err != nil {
		return session.Lock{}, err
	}
	err = e.locked(ctx, func(l session.Locker) error { lock, err = l.Acquire(ctx, id, ask); return err })
	return lock, err
}

// WriteRelease implements session.Locker.
func (e *engine) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	var err error
	if !rec.Successor.IsZero() {
		err = e.noteEnd(ctx, id)
	}
	v := e.current()
	if err == nil {
		err = e.locked(ctx, func(l session.Locker) error { return l.WriteRelease(ctx, id, rec, prev, token) })
	}
	return e.written(ctx, v, id, rec, prev, err)
}

// Extend implements session.Locker.
func (e *engine) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	return e.locked(ctx, func(l session.Locker) error { return l.Extend(ctx, id, token, lease) })
}

// Release implements session.Locker.
func (e *engine) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	return e.locked(ctx, func(l session.Locker) error { return l.Release(ctx, id, token) })
}

func (e *engine) locked(ctx context.Context, call func(l session.Locker) error) error {
	if e.locker == nil {
		return errors.ErrUnsupported
	}
	return e.onDurable(ctx, func() error { return call(e.locker) })
}
