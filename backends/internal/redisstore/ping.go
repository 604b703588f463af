package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// canaryLife is how long the session of a Ping lives if its end is never reached.
const canaryLife = 10 * time.Second

// Ping implements session.Pinger: it creates, touches, changes, reads and destroys a session with a random id, by the very
// commands that serve visitors. The PING command would prove nothing: a server that refuses all writes answers it, and
// it asks for none of the permissions that a session needs. In a cluster it proves one node.
func (s *Store) Ping(ctx context.Context) error {
	var id session.ID
	_, _ = rand.Read(id[:]) // never fails
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
