package redisstore

import (
	"context"
	"fmt"

	"github.com/nonstick-go/nonstick/core/session"
)

// Write implements session.Handler with one script. A refusal for the version of the stored record is a
// *session.ConflictError.
func (s *Store) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if err := s.put(ctx, id, rec, prev); err != nil {
		return err
	}
	if prev.IsZero() || !rec.Successor.IsZero() {
		return s.replicate(ctx, id)
	}
	return nil
}

func (s *Store) put(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	data, end, err := s.encode(&rec)
	if err != nil {
		return err
	}
	a := newWriteArgs(data, end, prev)
	reply, err := s.run(ctx, s.write, s.key(id), &a.data, &a.end, &a.replaces)
	if err != nil {
		return s.failed(ctx, err)
	}
	switch reply := reply.(type) {
	case int64:
		switch reply {
		case replyDone:
			return nil
		case replyAbsent:
			return session.ErrNotFound
		}
	case []any:
		return refused(reply, prev)
	}
	return errNonsense()
}

// encode returns a record as Redis keeps it, and until when, or why it cannot be written.
func (s *Store) encode(rec *session.Record) (data []byte, end Deadline, err error) {
	end = Deadline(rec.Deadline().UnixMilli())
	switch {
	case s.closed.Load():
		return nil, 0, session.ErrClosed
	case end.left() <= 0:
		return nil, 0, session.ErrNotFound
	case len(rec.Payload) > s.maxBytes-session.RecordOverhead:
		return nil, 0, session.ErrTooLarge
	}
	return session.AppendRecord(make([]byte, 0, len(rec.Payload)+session.RecordOverhead), rec), end, nil
}

// refused is the error of a write that met the record stored in fields r and t.
func refused(fields []any, prev session.Version) error {
	if len(fields) != 2 {
		return errNonsense()
	}
	newest, err := decode(dataOf(fields[1]), dataOf(fields[0]))
	if err != nil {
		return err
	}
	if prev.IsZero() {
		return &session.ConflictError{Err: session.ErrExists, Newest: newest}
	}
	return &session.ConflictError{Err: session.ErrConflict, Newest: newest}
}

// Touch implements session.Toucher with one script.
func (s *Store) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	end := Deadline(rec.Deadline().UnixMilli())
	if end.left() <= 0 {
		return session.ErrNotFound
	}
	a := newWriteArgs(nil, end, rec.Version)
	reply, err := s.run(ctx, s.touch, s.key(id), &a.replaces, rec.Seen.UnixMilli(), &a.end)
	if err != nil {
		return s.failed(ctx, err)
	}
	switch reply {
	case replyDone:
		return nil
	case replyAbsent:
		return session.ErrNotFound
	}
	return errNonsense()
}

// errNonsense is what an answer is that none of our scripts gives.
func errNonsense() error {
	return fmt.Errorf("%w: the server gave an answer that the script does not have", session.ErrUnavailable)
}
