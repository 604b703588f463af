package redisstore_test

import (
	"bytes"
	"context"
	"encoding"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// told is a Conn to a server that keeps the last record and says of itself what it is told. Real servers of old versions
// cannot be had.
type told struct {
	record []byte
	infos  int
	info   string
	err    error // of INFO
}

func (c *told) Fields(context.Context, int, ...any) (seen, data []byte, err error) {
	return nil, c.record, nil
}

func (c *told) Do(_ context.Context, _ int, args ...any) (any, error) {
	switch args[0] {
	case "info":
		c.infos++
		return c.info, c.err
	case "evalsha":
		if arg, ok := args[4].(encoding.BinaryMarshaler); ok {
			data, err := arg.MarshalBinary()
			if err != nil {
				return nil, err
			}
			if _, err := session.ParseRecord(data); err == nil { // else it is a version
				c.record = data
			}
		}
	}
	return int64(1), nil
}

func (c *told) Listen(context.Context, string, func(), func(string)) error {
	return errors.ErrUnsupported
}

// Not parallel: it exchanges the default logger.
func TestPingInspects(t *testing.T) { //nolint:paralleltest // see above
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	const evicting = "# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n"
	for name, c := range map[string]struct {
		info    string
		err     error
		refused string
		warned  bool
		infos   int // in three Pings
	}{
		"as it should be": {info: "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n", infos: 2},
		"newer":           {info: "redis_version:10.0\r\n", infos: 2},
		"too old":         {info: "redis_version:6.2.14\r\n", refused: "Redis 6.2.14 is too old", infos: 3},
		"strange":         {info: "redis_version:unstable\r\n", infos: 2},
		"says nothing":    {info: "", infos: 2},
		"may not":         {err: redisstore.ServerError("NOPERM this user has no permissions to run the 'info' command"), infos: 2},
		"evicts":          {info: "redis_version:8.0.2\r\n" + evicting, warned: true, infos: 2},
		"without a limit": {info: strings.Replace(evicting, "1000", "0", 1), infos: 2},
	} {
		log.Reset()
		conn := &told{info: c.info, err: c.err}
		s, err := redisstore.New(conn, true, redisstore.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			err = s.Ping(t.Context())
		}
		if (err != nil) != (c.refused != "") || err != nil && (!strings.Contains(err.Error(), c.refused) || !errors.Is(err, session.ErrMisconfigured)) {
			t.Errorf("%s: got error %v, want %q", name, err, c.refused)
		}
		if lines := strings.Count(log.String(), "\n"); (lines == 1) != c.warned || lines > 1 {
			t.Errorf("%s: the log is %q", name, &log)
		}
		if conn.infos != c.infos {
			t.Errorf("%s: INFO %d times, want %d", name, conn.infos, c.infos)
		}
	}
}
