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
	i := &incarnation{name, newScript("-- " + hex.EncodeToString(sum[:]) + "\nreturn redis.call('HMGET', KEYS[1], 'r', 't')")}
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
	reply, err := s.eval(ctx, "evalsha", s.incarnation(name).sha, s.key(id))
	switch {
	case unknownScript(err):
		return session.Record{}, session.ErrRestarted
	case err != nil:
		return session.Record{}, s.failed(ctx, err)
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) != 2 {
		return session.Record{}, errNonsense()
	}
	data, there := fields[0].(string)
	if !there {
		return session.Record{}, session.ErrNotFound
	}
	seen, _ := fields[1].(string) // nil if it was not touched
	return alive([]byte(seen), []byte(data))
}
