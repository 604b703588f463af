package session

import (
	"context"
	"time"
)

// An alias is what the periodic renewal leaves under the old id for Options.RenewGrace: a record that names its successor
// and has an absolute end. Requests that come with the old id, or began with it, go on with the successor, so there is one
// session and never two. What Renew leaves has no such end and is a tombstone: it refuses.

// maxAliases bounds how many renewals a request may be behind.
const maxAliases = 3

// isAlias reports whether requests with the id of this record shall go on with its successor.
func (r *Record) isAlias() bool { return !r.Successor.IsZero() && !r.Expires.IsZero() }

// alias is what takes the place of a record whose version is prev, for the time of grace.
func (m *Manager) alias(prev Version, successor ID) Record {
	rec := m.tombstone(prev, successor)
	rec.TTL = m.o.RenewGrace
	rec.Expires = rec.Seen.Add(rec.TTL)
	return rec
}

// follow returns what goes on for the record of a session: itself, or what it is an alias of.
func (m *Manager) follow(ctx context.Context, id ID, rec Record) (ID, Record, error) {
	for range maxAliases {
		if !rec.isAlias() {
			break
		}
		if !time.Now().Before(rec.Deadline()) {
			return id, rec, ErrNotFound
		}
		id = rec.Successor
		var err error
		if rec, err = m.read(ctx, id); err != nil {
			return id, rec, err
		}
	}
	return id, rec, nil
}

// readThrough reads a session, also by an alias.
func (m *Manager) readThrough(ctx context.Context, id ID) (ID, Record, error) {
	rec, err := m.read(ctx, id)
	if err != nil || !rec.isAlias() {
		return id, rec, err
	}
	return m.follow(ctx, id, rec)
}

// seizeThrough is seize, also by an alias.
func (s *Session) seizeThrough(id ID, me Holder, l lockLimits) (ID, Record, *hold, error) {
	for range maxAliases {
		rec, h, err := s.seize(id, me, l)
		if err != nil || !rec.isAlias() || !time.Now().Before(rec.Deadline()) {
			return id, rec, h, err
		}
		h.abandon()
		id = rec.Successor
	}
	return id, Record{}, nil, ErrNotFound
}
