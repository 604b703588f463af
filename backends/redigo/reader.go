package redigo

import "github.com/nonstick-go/nonstick/backends/internal/redisstore"

// reader is a client for one server that is only read from.
type reader struct {
	conn
	server *server
}

func newReader(s *server) reader { return reader{conn{s}, s} }

// Close implements io.Closer.
func (r reader) Close() error { return r.server.close() }

// single is a conn to the one server of a URL.
type single struct {
	conn
	dialer *dialer
}

// Prove implements redisstore.Prover.
func (s single) Prove(_ int, args ...any) redisstore.Reader {
	own := &dialer{config: s.dialer.config, gate: s.dialer.gate, first: args}
	return newReader(own.server(own.config.Addrs[0]))
}
