package fallback

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// In Standby, locks are in the fast store. While some node does not reach it they would exclude nobody there, so there are none.

// Acquire implements session.Locker.
func (s *standby) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	if v := s.current(); !s.calm(v) {
		if now, err := s.look(ctx); err == nil {
			v = now
		}
		if v.past() || !s.vouched(v) {
			return lock, errDown
		}
	}
	err = s.locked(ctx, func(l session.Locker) error { lock, err = l.Acquire(ctx, id, ask); return err })
	if err == nil && isMark(lock.Record) {
		return session.Lock{}, session.ErrNotFound
	}
	return lock, err
}

// WriteRelease implements session.Locker.
func (s *standby) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	v := s.current()
	err := s.locked(ctx, func(l session.Locker) error { return l.WriteRelease(ctx, id, rec, prev, token) })
	return s.wrote(ctx, v, id, rec, prev, err)
}

// Extend implements session.Locker.
func (s *standby) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	return s.locked(ctx, func(l session.Locker) error { return l.Extend(ctx, id, token, lease) })
}

// Release implements session.Locker.
func (s *standby) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	return s.locked(ctx, func(l session.Locker) error { return l.Release(ctx, id, token) })
}

func (s *standby) locked(ctx context.Context, call func(l session.Locker) error) error {
	if s.locker == nil {
		return errors.ErrUnsupported
	}
	return s.onFast(ctx, func() error { return call(s.locker) })
}
