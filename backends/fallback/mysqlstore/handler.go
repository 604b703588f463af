package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Destroy implements session.Handler with one statement.
func (s *Store) Destroy(ctx context.Context, id session.ID) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.exec(ctx, s.sql.destroy, id[:])
	return err
}

// Touch implements session.Toucher with one statement, which does not rewrite the record.
func (s *Store) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	now := time.Now().UnixMilli()
	ends := rec.Deadline().UnixMilli()
	if ends <= now {
		return session.ErrNotFound
	}
	n, err := s.exec(ctx, s.sql.touch, rec.Seen.UnixMilli(), ends, id[:], rec.Version[:], rec.Seen.UnixMilli(), now)
	if err != nil || n > 0 {
		return err
	}
	// Another version, a later Seen, or nothing alive: only that is an error.
	if _, err := s.load(ctx, id); err != nil && !errors.Is(err, session.ErrCorrupt) {
		return err
	}
	return nil
}

// encode returns a record as the table keeps it, or why it cannot be written.
func (s *Store) encode(rec *session.Record) ([]byte, error) {
	if !time.Now().Before(rec.Deadline()) || rec.Deadline().UnixMilli() <= time.Now().UnixMilli() {
		return nil, session.ErrNotFound
	}
	if len(rec.Payload) > s.maxBytes-session.RecordOverhead {
		return nil, fmt.Errorf("%w: the store takes %d bytes", session.ErrTooLarge, s.maxBytes)
	}
	data := session.AppendRecord(make([]byte, 0, len(rec.Payload)+session.RecordOverhead), rec)
	if most := s.packet.Load(); most > 0 && escaped(data) > most-statementBytes {
		return nil, fmt.Errorf("%w: the server's max_allowed_packet is %d bytes", session.ErrTooLarge, most)
	}
	return data, nil
}

// statementBytes is what a statement has besides the record, generously. The queue of a lock may be with it.
const statementBytes = 2 << 10

// escaped is how many bytes a record takes in a statement, or more.
func escaped(data []byte) int64 {
	n := int64(len(data))
	for _, c := range data {
		switch c {
		case 0, '\n', '\r', '\x1a', '\'', '"', '\\':
			n++
		}
	}
	return n
}
