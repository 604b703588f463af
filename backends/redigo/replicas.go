package redigo

import (
	"context"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// useReplicas makes a store do with replicas what its URL says. Those of a cluster serve a connection only after it has sent
// READONLY. They have a gate of their own, as ACLs are not replicated: what they refuse must not keep anybody from
// the master.
func (s *Store) useReplicas(d *dialer, findAll func(ctx context.Context) ([]string, error)) {
	redisstore.UseReplicas(s.Store, d.config, findAll, func(addr string, connected func()) redisstore.Reader {
		own := &dialer{config: d.config, gate: redisstore.NewGate(), connected: connected}
		if d.config.Topology == redisstore.Cluster {
			own.first = []any{"READONLY"}
		}
		return newReader(own.server(addr))
	})
}
