package redisstore

import (
	"context"
	"fmt"

	"github.com/nonstick-go/nonstick/core/session"
)

// markScript leaves everything as it was, and is a write all the same, so that WAIT has something to wait for. What was
// written before it, on whatever connection, comes before it in what replicas get. It has the key of the session, so
// that it goes where that went while a cluster moves slots.
const markScript = `#!lua flags=allow-oom
redis.call('HSET', KEYS[1], 'w', '')
return redis.call('HDEL', KEYS[1], 'w')`

// replicate waits until replicas have what was done to a session, if the URL says so.
func (s *Store) replicate(ctx context.Context, id session.ID) error {
	if s.wait == 0 {
		return nil
	}
	n, err := s.conn.(Waiter).DoAndWait(ctx, s.wait, s.waitTimeout, 3, "eval", markScript, "1", s.key(id))
	if err != nil {
		return s.failed(ctx, err)
	}
	if n < int64(s.wait) {
		return fmt.Errorf("%w: after %v %d replicas have the change, not %d", session.ErrUnavailable, s.waitTimeout, n, s.wait)
	}
	return nil
}
