package mysqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/batch"
	"github.com/nonstick-go/nonstick/core/session"
)

// Read implements session.Handler with one statement, or a share in one that reads several sessions.
func (s *Store) Read(ctx context.Context, id session.ID) (session.Record, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return session.Record{}, err
	}
	defer end()
	return s.load(ctx, id)
}

// load returns the record of a session that is alive.
func (s *Store) load(ctx context.Context, id session.ID) (session.Record, error) {
	r := &reading{id: id}
	if s.batches == nil || s.large.has(id) {
		s.readOne(ctx, r)
	} else if err := s.batches.Run(ctx, r, len(id)); err != nil { // r may be somebody else's for a while yet
		return session.Record{}, s.failed(ctx, err)
	}
	if r.err == nil && r.data == nil { // it is large: others would wait for it
		s.readOne(ctx, r)
	}
	if errors.Is(r.err, sql.ErrNoRows) {
		return session.Record{}, session.ErrNotFound
	}
	if r.err != nil {
		return session.Record{}, r.err
	}
	s.large.note(id, len(r.data) > batch.Largest)
	rec, err := decode(r.seen, r.data)
	if err == nil && !time.Now().Before(rec.Deadline()) {
		return session.Record{}, session.ErrNotFound
	}
	return rec, err
}

// decode makes a record of what a row holds. Its payload is a part of data.
func decode(seen int64, data []byte) (session.Record, error) {
	rec, err := session.ParseRecord(data)
	if err == nil {
		rec.Seen = time.UnixMilli(seen)
	}
	return rec, err
}

// reading is the read of a row, and what came of it.
type reading struct {
	id   session.ID
	seen int64
	data []byte // nil if it is too large for what reads several
	err  error  // sql.ErrNoRows if there is no row
}

// large remembers sessions whose records were large when they were read last, or that were to be read with others in vain, as many
// large ones may be: they are read by themselves the next time, so that nobody waits for them. It has one for each place, which is
// given to whoever comes last.
type large [1024]atomic.Uint64

func (l *large) place(id session.ID) (*atomic.Uint64, uint64) {
	n := binary.LittleEndian.Uint64(id[:]) // ids are random
	return &l[n%uint64(len(l))], n
}

func (l *large) has(id session.ID) bool {
	at, n := l.place(id)
	return at.Load() == n
}

func (l *large) note(id session.ID, large bool) {
	switch at, n := l.place(id); {
	case large:
		at.Store(n)
	case at.Load() == n:
		at.Store(0)
	}
}

// readOne makes a read that meets no others.
func (s *Store) readOne(ctx context.Context, r *reading) {
	r.err = s.get(ctx, s.sql.read, []any{r.id[:]}, &r.seen, &r.data)
}

// readAll makes several reads with one statement, whose error is that of all of them.
func (s *Store) readAll(ctx context.Context, reads []*reading) {
	text, args := s.sql.several(reads)
	err := s.twice(ctx, func() error {
		err := s.ask(ctx, text, args, func(rows driver.Rows) error {
			return distribute(reads, func(to ...any) error { return next(rows, to) })
		})
		if errors.Is(err, driver.ErrBadConn) || errors.Is(err, driver.ErrSkip) {
			err = s.scanAll(ctx, text, args, reads)
		}
		return err
	})
	if err != nil {
		for _, r := range reads {
			r.err = err
			s.large.note(r.id, true)
		}
	}
}

// scanAll is readAll by database/sql.
func (s *Store) scanAll(ctx context.Context, text string, args []any, reads []*reading) error {
	rows, err := s.db.QueryContext(ctx, text, args...) //nolint:sqlclosecheck // it is, below
	if err != nil {
		return err
	}
	defer rows.Close()
	return distribute(reads, func(to ...any) error {
		if !rows.Next() {
			return cmp.Or(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(to...)
	})
}

// distribute gives each row to all who asked for it. next puts one into what to points at, and returns sql.ErrNoRows after the
// last.
func distribute(reads []*reading, next func(to ...any) error) error {
	for _, r := range reads {
		r.err = sql.ErrNoRows
	}
	var id, data sql.RawBytes // until the next row is read
	var seen int64
	to := []any{&id, &seen, &data}
	for {
		if err := next(to...); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		for _, r := range reads {
			if string(r.id[:]) == string(id) {
				r.seen, r.data, r.err = seen, bytes.Clone(data), nil // a payload is its reader's own
			}
		}
	}
}
