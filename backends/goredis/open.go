package goredis

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/session"
)

// name is how errors tell backends apart.
const name = "github.com/nonstick-go/nonstick/backends/goredis"

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
	gate := redisstore.NewGate()
	client := newClient(c, gate, nil)
	one := newConn(client, gate, c.Options.Pipelines)
	through := one.through()
	if c.Topology == redisstore.Single {
		through = single{one, c}
	}
	s, err := newStore(through, client, Options(c.Options), client.Close)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	s.useReplicas(c)
	return s, nil
}

// newClient makes the client that a URL describes. It makes no connection yet. Each that it makes runs first, which may be nil,
// and is not used if that fails.
func newClient(c *redisstore.Config, gate *backoff.Gate, first func(context.Context, *redis.Conn) error) redis.UniversalClient {
	dial := redis.NewDialer(&redis.Options{DialTimeout: c.DialTimeout, TLSConfig: c.TLS})
	o := &redis.UniversalOptions{
		Addrs:                 c.Addrs,
		DB:                    c.DB,
		TLSConfig:             c.TLS,
		ContextTimeoutEnabled: true,
		DialTimeout:           c.DialTimeout,
		ReadTimeout:           c.ReadTimeout,
		WriteTimeout:          c.WriteTimeout,
		PoolTimeout:           c.PoolTimeout,
		PoolSize:              c.PoolSize,
		MaxRetries:            -1, // go-redis would repeat scripts that may have been run, and outlive the budget
		DialerRetries:         1,
		ConnMaxLifetime:       5 * time.Minute, // so that the address of a server that moved is looked up again
		ConnMaxLifetimeJitter: time.Minute,
		PipelinePoolSize:      -1,   // the few pipelines there are use the others
		DisableIdentity:       true, // saves a round trip for each connection, and a permission
		// Maintenance notifications would stretch the timeouts to 10 s, and cost a round trip to ask for them.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		CredentialsProviderContext: func(context.Context) (user, password string, err error) {
			if err = gate.Attempt(); err == nil {
				password, err = c.Password.Read()
			}
			return c.User, password, err
		},
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if err := gate.Blocked(); err != nil { // not Attempt: go-redis also dials to see whether a server is back
				return nil, err
			}
			return dial(ctx, network, addr)
		},
		OnConnect: func(ctx context.Context, conn *redis.Conn) error { // it is logged in
			gate.Note(nil)
			if first == nil {
				return nil
			}
			return first(ctx, conn)
		},
		MasterName:       c.Master,
		SentinelUsername: c.SentinelUser,
		SentinelPassword: c.SentinelPassword,
	}
	switch c.Topology {
	case redisstore.Cluster:
		cluster := o.Cluster()
		cluster.DisableRoutingPolicies = true // there are keys in all commands; else it would ask for a list of commands
		cluster.ClusterStateReloadInterval = 10 * time.Second
		cluster.NewClient = func(o *redis.Options) *redis.Client { return newNode(o, c.Options.Pipelines) }
		return redis.NewClusterClient(cluster)
	case redisstore.Sentinel:
		return redis.NewFailoverClient(o.Failover())
	default:
		single := o.Simple()
		single.Network = c.Network
		return redis.NewClient(single)
	}
}
