package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// canaryLife is how long the session of a Ping lives if its end is never reached.
const canaryLife = 10 * time.Second

// Ping implements session.Pinger: it creates, touches, changes, reads and destroys a session with a random id, by the very
// commands that serve visitors, in a cluster on each master. The PING command would prove nothing: a server that refuses
// all writes answers it, and it asks for none of the permissions that a session needs.
//
// The first time it also finds out whether the server is old or forgetful, if the user may run INFO: one before Redis 7.0
// is session.ErrMisconfigured, and one that evicts sessions when its memory is full is worth a warning of slog.Default.
func (s *Store) Ping(ctx context.Context) error {
	ids, err := s.canaries(ctx)
	if err != nil {
		return s.failed(ctx, err)
	}
	errs := make(chan error, len(ids))
	for _, id := range ids[1:] {
		go func() { errs <- s.probe(ctx, id) }()
	}
	errs <- s.probe(ctx, ids[0])
	for range ids {
		err = cmp.Or(err, <-errs)
	}
	return cmp.Or(err, s.inspect(ctx))
}

// canaries returns a random id for each master.
func (s *Store) canaries(ctx context.Context) ([]session.ID, error) {
	random := func() (id session.ID) {
		_, _ = rand.Read(id[:]) // never fails
		return id
	}
	sharded, ok := s.conn.(Sharded)
	if !ok || s.closed.Load() {
		return []session.ID{random()}, nil
	}
	masters, err := sharded.Masters(ctx)
	if err != nil {
		return nil, err
	}
	var ids []session.ID
	seen := make(map[string]bool)
	for range 1000 * masters { // a master may have few slots, or none at the moment
		id := random()
		master, err := sharded.MasterOf(ctx, s.key(id))
		if err != nil {
			return nil, err
		}
		if !seen[master] {
			seen[master] = true
			ids = append(ids, id)
		}
		if len(ids) >= masters {
			break
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("no master has a key")
	}
	return ids, nil
}

// probe leads a session through its life.
func (s *Store) probe(ctx context.Context, id session.ID) error {
	now := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: canaryLife}
	changed := rec
	changed.Version = session.Version{2}
	err := s.Write(ctx, id, rec, session.Version{})
	if err == nil {
		err = s.Touch(ctx, id, rec)
	}
	if err == nil {
		err = s.Write(ctx, id, changed, rec.Version) // removes what Touch has left: the one use of HDEL
	}
	if err == nil {
		_, err = s.Read(ctx, id)
	}
	// Also after a failure: a user that may HSET but not PEXPIRE has left a key without a time to live.
	return cmp.Or(err, s.Destroy(ctx, id))
}
