package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/nonstick-go/nonstick/core/session"
)

// A server forgets its scripts when it restarts, whatever it keeps on disk, and since Redis 7.0 does not send them to
// replicas. So a script that reads a session, and has a name in it, proves by its being known that the server has run all the
// time; and the proof costs no round trip. It is loaded with EVAL, which a cluster sends where its key is. Redis 7.4 and
// later may drop such a script after 500 others have come: that is taken for a restart.

// incarnation is the reading script of a name.
type incarnation struct {
	name string
	script
}

func (s *Store) incarnation(name string) *incarnation {
	if known := s.since.Load(); known != nil && known.name == name {
		return known
	}
	sum := sha256.Sum256([]byte(name))
	i := &incarnation{name, newScript("-- " + hex.EncodeToString(sum[:]) + "\nreturn redis.call('HMGET', KEYS[1], 't', 'r')")}
	s.since.Store(i)
	return i
}

// Begin implements session.Incarnated: it makes each master remember name, for as long as it runs.
func (s *Store) Begin(ctx context.Context, name string) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	ids, err := s.canaries(ctx)
	if err != nil {
		return s.failed(ctx, err)
	}
	for _, id := range ids {
		if _, err := s.eval(ctx, "eval", s.incarnation(name).body, s.key(id)); err != nil {
			return s.failed(ctx, err)
		}
	}
	return nil
}

// ReadSince implements session.Incarnated, in one round trip.
func (s *Store) ReadSince(ctx context.Context, name string, id session.ID) (session.Record, error) {
	if s.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	rec, err := s.read(ctx, s.conn, 3, "evalsha", s.incarnation(name).sha, "1", s.key(id))
	if unknownScript(err) {
		return session.Record{}, session.ErrRestarted
	}
	return rec, err
}
