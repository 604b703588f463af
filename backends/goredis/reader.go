package goredis

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// reader is a client of ours that is only read from.
type reader struct {
	conn
	close func() error
}

// Close implements io.Closer.
func (r reader) Close() error { return r.close() }

// single is a conn to the one server of a URL.
type single struct {
	conn
	config *redisstore.Config
}

// Prove implements redisstore.Prover.
func (s single) Prove(keyAt int, args ...any) redisstore.Reader {
	client := newClient(s.config, s.gate, func(ctx context.Context, conn *redis.Conn) error {
		cmd := redis.NewCmd(ctx, args...)
		cmd.SetFirstKeyPos(int8(keyAt))
		return conn.Process(ctx, cmd)
	})
	return reader{newConn(client, s.gate, s.config.Options.Pipelines), client.Close}
}
