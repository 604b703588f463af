package goredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// useReplicas makes a Store do with replicas what its URL says. Those of a cluster serve a connection only after it has sent
// READONLY. They have a gate of their own, as ACLs are not replicated: what they refuse must not keep anybody from
// the master.
func (s *Store) useReplicas(c *redisstore.Config) {
	var findAll func(ctx context.Context) ([]string, error)
	if c.Topology == redisstore.Sentinel {
		findAll = func(ctx context.Context) ([]string, error) { return replicasOf(ctx, c) }
	}
	redisstore.UseReplicas(s.Store, c, findAll, func(addr string, connected func()) redisstore.Reader {
		gate := redisstore.NewGate()
		one := *c
		one.Topology, one.Addrs = redisstore.Single, []string{addr}
		client := newClient(&one, gate, func(ctx context.Context, conn *redis.Conn) error {
			connected()
			if c.Topology == redisstore.Cluster {
				return conn.ReadOnly(ctx).Err()
			}
			return nil
		})
		return reader{conn{client: client, gate: gate}, client.Close}
	})
}

// replicasOf asks one sentinel after the other for the replicas of the master.
func replicasOf(ctx context.Context, c *redisstore.Config) (addrs []string, err error) {
	for _, sentinel := range c.Addrs {
		if addrs, err = askSentinel(ctx, c, sentinel); err == nil || ctx.Err() != nil {
			break
		}
	}
	return addrs, err
}

func askSentinel(ctx context.Context, c *redisstore.Config, sentinel string) ([]string, error) {
	client := redis.NewSentinelClient(&redis.Options{
		Addr: sentinel, Username: c.SentinelUser, Password: c.SentinelPassword, TLSConfig: c.TLS,
		DialTimeout: c.DialTimeout, ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout, ContextTimeoutEnabled: true,
		MaxRetries: -1, DialerRetries: 1, PoolSize: 1, DisableIdentity: true,
	})
	defer client.Close()
	replicas, err := client.Replicas(ctx, c.Master).Result()
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, replica := range replicas {
		addrs = append(addrs, net.JoinHostPort(replica["ip"], replica["port"]))
	}
	return addrs, nil
}

// pipeliner is a client for one server.
type pipeliner interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// maxRedirections is how often a command follows a cluster to another node.
const maxRedirections = 5

// DoAndWait implements redisstore.Waiter: go-redis knows no command that must be on the connection of another one, so it is
// a pipeline to one server, which follows a cluster by itself.
func (c conn) DoAndWait(ctx context.Context, replicas int, timeout time.Duration, keyAt int, args ...any) (acked int64, err error) {
	if c.cluster == nil {
		acked, err = doAndWait(ctx, c.client.(pipeliner), false, replicas, timeout, args)
		return acked, c.failed(err)
	}
	err = redisstore.Retry(ctx, func() error {
		at, err := c.cluster.MasterForKey(ctx, args[keyAt].(string))
		asking := false
		for range maxRedirections {
			if err != nil {
				return c.failed(err)
			}
			acked, err = doAndWait(ctx, at, asking, replicas, timeout, args)
			refused, ok := errors.AsType[redis.Error](err)
			if !ok {
				return c.failed(err)
			}
			kind, to, ok := redisstore.Redirection(refused.Error(), at.Options().Addr)
			if !ok {
				return c.failed(err)
			}
			asking = kind == "ASK"
			at, err = c.masterAt(ctx, to)
		}
		return fmt.Errorf("sent from node to node %d times", maxRedirections)
	}, func() { c.cluster.ReloadState(ctx) })
	return acked, err
}

func doAndWait(ctx context.Context, at pipeliner, asking bool, replicas int, timeout time.Duration, args []any) (int64, error) {
	acked := redis.NewIntCmd(ctx, "wait", replicas, timeout.Milliseconds())
	_, err := at.Pipelined(ctx, func(p redis.Pipeliner) error {
		if asking {
			p.Do(ctx, "asking")
		}
		p.Do(ctx, args...)
		return p.Process(ctx, acked)
	})
	if err != nil {
		return 0, err
	}
	return acked.Val(), nil
}

// masterAt returns the client of the master at an address.
func (c conn) masterAt(ctx context.Context, addr string) (*redis.Client, error) {
	var mu sync.Mutex
	var found *redis.Client
	err := c.cluster.ForEachMaster(ctx, func(_ context.Context, client *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		if client.Options().Addr == addr {
			found = client
		}
		return nil
	})
	if err == nil && found == nil { // the client has not heard of it yet; the state is asked for again
		err = redisstore.ServerError("CLUSTERDOWN the node is not known")
	}
	return found, err
}
