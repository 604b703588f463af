package redigo

import (
	"context"
	"net/url"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// name is how errors tell backends apart.
const name = "github.com/nonstick-go/nonstick/backends/redigo"

func init() {
	for _, scheme := range redisstore.Schemes() {
		session.Register(scheme, name, open)
	}
}

func open(_ context.Context, u *url.URL) (session.Handler, error) {
	c, err := redisstore.ParseURL(u)
	if err != nil {
		return nil, err
	}
	d := &dialer{config: c, gate: redisstore.NewGate()}
	var s *Store
	var replicas func(ctx context.Context) ([]string, error)
	switch c.Topology {
	case redisstore.Cluster:
		all := newCluster(d)
		s, err = newStore(shards{conn{all}, all}, false, Options(c.Options), all.close)
	case redisstore.Sentinel:
		master := newMaster(d)
		replicas = master.replicas
		s, err = newStore(conn{master}, true, Options(c.Options), master.close)
	case redisstore.Single:
		only := d.server(c.Addrs[0])
		s, err = newStore(single{conn{only}, d}, true, Options(c.Options), only.close)
	}
	if err != nil {
		return nil, err
	}
	s.useReplicas(d, replicas)
	return s, nil
}
