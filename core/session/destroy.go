package session

import (
	"context"
	"time"
)

// tombstoneLife is how long the tombstone of a session that was renewed or destroyed stays, to refuse late writes with a reason.
// After it they are refused because nothing is there.
const tombstoneLife = 10 * time.Second

// tombstone is a record that refuses all writes to a session whose version is prev. It names the session that goes on instead,
// or itself if none does.
func (m *Manager) tombstone(prev Version, successor ID) Record {
	rec := Record{Created: now(), Seen: now(), TTL: tombstoneLife, Successor: successor}
	rec.Version = m.versions.next(rec.Seen, prev)
	return rec
}

// end destroys a session, and whatever a renewal has made of it meanwhile. A tombstone comes first: behind it no write and no
// renewal can succeed, on any node. Then the tombstone is removed. others are what else the request named: a visitor who logs
// out must not find himself in the session of a cookie that somebody has planted.
func (m *Manager) end(ctx context.Context, id ID, version Version, others []ID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.DestroyTimeout)
	defer cancel()
	for _, other := range others {
		if other != id {
			if err := m.remove(ctx, other); err != nil {
				return err
			}
		}
	}
	for {
		_, err := m.write(ctx, id, nil, m.tombstone(version, id), version)
		switch {
		case answered(err, ErrNotFound):
			return nil
		case !answered(err, ErrConflict): // also a failure: a store whose memory or disk is full can still remove
			return m.remove(ctx, id)
		}
		newest, err := m.newest(ctx, id, err)
		if err == nil && !newest.Successor.IsZero() && newest.Successor != id {
			id = newest.Successor
			newest, err = m.read(ctx, id)
		}
		if answered(err, ErrNotFound) || newest.Successor == id {
			return nil
		}
		if err != nil {
			return err
		}
		version = newest.Version
	}
}
