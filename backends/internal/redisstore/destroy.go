package redisstore

import (
	"context"

	"github.com/nonstick-go/nonstick/core/session"
)

// Destroy implements session.Handler with one DEL, which Redis runs even when its memory is full.
func (s *Store) Destroy(ctx context.Context, id session.ID) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	if _, err := s.conn.Do(ctx, 1, "del", s.key(id)); err != nil {
		return s.failed(ctx, err)
	}
	return s.replicate(ctx, id)
}

// GC returns 0, nil: Redis forgets by itself.
func (s *Store) GC(context.Context, int) (removed int, err error) {
	if s.closed.Load() {
		return 0, session.ErrClosed
	}
	return 0, nil
}
