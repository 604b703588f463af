package redisstore

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Read implements session.Handler with one HMGET.
func (s *Store) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if s.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	return s.read(ctx, s.conn, 1, "hmget", s.key(id), "t", "r")
}

// fielder is what Conn and Reader have in common.
type fielder interface {
	Fields(ctx context.Context, keyAt int, args ...any) (seen, data []byte, err error)
}

// Reader is a client that is only read from: it has the Fields of a Conn.
type Reader interface {
	fielder
	io.Closer
}

func (s *Store) read(ctx context.Context, from fielder, keyAt int, args ...any) (session.Record, error) {
	seen, data, err := from.Fields(ctx, keyAt, args...)
	if err != nil {
		return session.Record{}, s.failed(ctx, err)
	}
	if data == nil {
		return session.Record{}, session.ErrNotFound
	}
	return alive(seen, data)
}

// alive returns the record that fields hold, unless its time is over.
func alive(seen, data []byte) (session.Record, error) {
	rec, err := decode(seen, data)
	if err != nil {
		return session.Record{}, err
	}
	if !time.Now().Before(rec.Deadline()) { // a server whose clock was set back keeps keys for too long
		return session.Record{}, session.ErrNotFound
	}
	return rec, nil
}

// decode makes a record of what the fields hold. Its payload is a part of data.
func decode(seen, data []byte) (session.Record, error) {
	rec, err := session.ParseRecord(data)
	if err != nil || len(seen) == 0 {
		return rec, err
	}
	ms, err := strconv.ParseInt(string(seen), 10, 64)
	if err != nil {
		return session.Record{}, fmt.Errorf("%w: the time last seen is no number", session.ErrCorrupt)
	}
	rec.Seen = time.UnixMilli(ms)
	return rec, nil
}
