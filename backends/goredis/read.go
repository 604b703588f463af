package goredis

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/redis/go-redis/v9"
)

// Read implements session.Handler with one HMGET.
func (s *Store) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if s.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	seen, data, err := s.fields(ctx, s.key(id))
	if err != nil {
		return session.Record{}, failed(ctx, err)
	}
	if data == nil {
		return session.Record{}, session.ErrNotFound
	}
	rec, err := decode(seen, data)
	if err != nil {
		return session.Record{}, err
	}
	if !time.Now().Before(rec.Deadline()) { // a server whose clock was set back keeps keys for too long
		return session.Record{}, session.ErrNotFound
	}
	return rec, nil
}

// fields returns the fields t and r of key, nil for one that is not there. The slices are the caller's.
//
// It takes the answer as raw bytes, and the record is then a part of them: a parsed answer consists of strings, which
// would have to be copied. (r comes last, or the buffer of go-redis might grow once more behind it.) The price is that
// go-redis does not look at the answer. So whatever is not two fields is asked for again as a parsed command, for
// go-redis to understand: a redirection in a cluster, say, or an error.
func (s *Store) fields(ctx context.Context, key string) (seen, data []byte, err error) {
	raw := redis.NewRawCmd(ctx, "hmget", key, "t", "r")
	raw.SetFirstKeyPos(1)
	_ = s.client.Process(ctx, raw)
	reply, err := raw.Result()
	if err != nil {
		return nil, nil, err
	}
	if seen, data, ok := parseFields(reply); ok {
		return seen, data, nil
	}
	parsed := redis.NewStringSliceCmd(ctx, "hmget", key, "t", "r")
	parsed.SetFirstKeyPos(1)
	_ = s.client.Process(ctx, parsed)
	values, err := parsed.Result()
	if err != nil {
		return nil, nil, err
	}
	if len(values) != 2 {
		return nil, nil, fmt.Errorf("HMGET of two fields gave %d", len(values))
	}
	return orNil(values[0]), orNil(values[1]), nil
}

// orNil returns the bytes of a field; go-redis returns one that is absent as the empty string, which no record is.
func orNil(value string) []byte {
	if value == "" {
		return nil
	}
	return []byte(value)
}

// parseFields takes an array of two strings or nulls of the Redis protocol (RESP2 or RESP3) apart, without copying them.
func parseFields(reply []byte) (first, second []byte, ok bool) {
	rest, ok := bytes.CutPrefix(reply, []byte("*2\r\n"))
	if !ok {
		return nil, nil, false
	}
	first, rest, ok = parseString(rest)
	if !ok {
		return nil, nil, false
	}
	second, rest, ok = parseString(rest)
	return first, second, ok && len(rest) == 0
}

func parseString(reply []byte) (value, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(reply, []byte("\r\n"))
	switch {
	case !ok:
		return nil, nil, false
	case string(line) == "_" || string(line) == "$-1":
		return nil, rest, true
	case len(line) < 2 || line[0] != '$':
		return nil, nil, false
	}
	n, err := strconv.ParseUint(string(line[1:]), 10, 31)
	if err != nil || uint64(len(rest)) < n+2 || rest[n] != '\r' || rest[n+1] != '\n' {
		return nil, nil, false
	}
	return rest[:n:n], rest[n+2:], true
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
