package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// tries is how often a call looks again that has met a change between two of its statements.
const tries = 4

// Write implements session.Handler with one statement, and one more that reads if it changed nothing: then the session is
// not as expected, or this very write was applied before. A refusal for the version is a *session.ConflictError.
func (s *Store) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	data, err := s.encode(&rec)
	if err != nil {
		return err
	}
	write := s.change
	if prev.IsZero() {
		write = s.create
	}
	for range tries {
		if done, err := write(ctx, id, &rec, data, prev); done || err != nil {
			return err
		}
	}
	return errRestless()
}

// errRestless is what happens when others always come in between two statements.
func errRestless() error {
	return fmt.Errorf("%w: others change the session all the time", session.ErrUnavailable)
}

// create stores a session that is not there. It reports false if something has changed since it looked.
func (s *Store) create(ctx context.Context, id session.ID, rec *session.Record, data []byte, _ session.Version) (done bool, err error) {
	_, err = s.exec(ctx, s.sql.create, id[:], rec.Version[:], rec.Seen.UnixMilli(), rec.Deadline().UnixMilli(), data)
	if !errors.Is(err, errExists) {
		return true, err
	}
	now := time.Now().UnixMilli()
	row, err := s.row(ctx, id, true, session.LockToken{})
	switch {
	case errors.Is(err, session.ErrNotFound):
		return false, nil
	case err != nil:
		return true, err
	case row.version == rec.Version && row.expires > now:
		return true, nil
	case row.expires > now:
		return true, row.refuses(session.ErrExists)
	}
	// An expired one may be replaced.
	n, err := s.exec(ctx, s.sql.replace, rec.Version[:], rec.Seen.UnixMilli(), rec.Deadline().UnixMilli(), data, id[:], row.version[:], now)
	return n > 0, err
}

// change stores a session that is there with version prev. It reports false if something has changed since it looked.
func (s *Store) change(ctx context.Context, id session.ID, rec *session.Record, data []byte, prev session.Version) (done bool, err error) {
	now := time.Now().UnixMilli()
	n, err := s.exec(ctx, s.sql.change, rec.Version[:], rec.Seen.UnixMilli(), rec.Deadline().UnixMilli(), data, id[:], prev[:], now)
	if err != nil || n > 0 {
		return true, err
	}
	row, err := s.row(ctx, id, true, session.LockToken{})
	switch {
	case err != nil:
		return true, err
	case row.expires <= time.Now().UnixMilli():
		return true, session.ErrNotFound
	case row.version == rec.Version: // a repeat
		return true, nil
	case row.version == prev:
		return false, nil
	}
	return true, row.refuses(session.ErrConflict)
}

// row is what the table has of a session, expired or not.
type row struct {
	version       session.Version
	expires, seen int64 // milliseconds since 1970
	turn          uint64
	state         []byte // nil if the lock is free
	now           int64  // microseconds since 1970, of the server
	data          []byte // nil if it was not read
}

// row reads a row. The record comes with it if that is wanted, and else if the lock is free or has that token.
func (s *Store) row(ctx context.Context, id session.ID, whole bool, token session.LockToken) (*row, error) {
	var r row
	var version []byte
	err := s.get(ctx, s.sql.lock, []any{whole, token[:], id[:]}, &version, &r.expires, &r.seen, &r.turn, &r.state, &r.now, &r.data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, session.ErrNotFound
	}
	copy(r.version[:], version)
	return &r, err
}

// refuses is the error of a write that met this row. What is no record can be written over by nobody: it must be destroyed.
func (r *row) refuses(why error) error {
	newest, err := decode(r.seen, r.data)
	if err != nil {
		return err
	}
	return &session.ConflictError{Err: why, Newest: newest}
}
