package servers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	clusterNodes = 3
	clusterSlots = 16384
	// clusterTime is how long the nodes may take to agree. They take a few seconds by design, more on a busy machine.
	clusterTime = 60 * time.Second
)

// RedisCluster is a running Redis Cluster of three masters without replicas.
type RedisCluster struct {
	t     testing.TB
	nodes []*Redis
}

// StartRedisCluster starts a cluster on random ports of 127.0.0.1 and waits until every node serves it. Each node writes
// nothing to disk but what it knows of the cluster.
func StartRedisCluster(t testing.TB) *RedisCluster {
	t.Helper()
	c := &RedisCluster{t: t}
	for range clusterNodes {
		c.nodes = append(c.nodes, StartRedis(t, &RedisOptions{cluster: true}))
	}
	if err := c.join(); err != nil {
		t.Fatalf("join the nodes of the cluster: %v", err)
	}
	c.Await()
	return c
}

// join spreads the slots evenly and introduces the nodes to each other.
func (c *RedisCluster) join() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	first := c.nodes[0]
	for i, n := range c.nodes {
		from, to := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		errs := []error{
			n.admin.Do(ctx, "cluster", "set-config-epoch", i+1).Err(), // else they would have to settle whose slots these are
			n.admin.Do(ctx, "cluster", "addslotsrange", from, to).Err(),
		}
		if n != first {
			errs = append(errs, n.admin.Do(ctx, "cluster", "meet", "127.0.0.1", first.port, first.bus).Err())
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// Await waits until every node sees all nodes and serves all slots, for instance after a node was restarted.
func (c *RedisCluster) Await() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(c.nodes))
	for i, n := range c.nodes {
		wg.Go(func() {
			for errs[i] = n.agrees(ctx); errs[i] != nil && ctx.Err() == nil; errs[i] = n.agrees(ctx) {
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatalf("the nodes of the cluster do not agree: %v", err)
	}
}

// agrees tells what is missing until r serves the whole cluster.
func (r *Redis) agrees(ctx context.Context) error {
	info, err := r.admin.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	for _, want := range []string{
		"cluster_state:ok", fmt.Sprint("cluster_slots_ok:", clusterSlots), fmt.Sprint("cluster_known_nodes:", clusterNodes),
		fmt.Sprint("cluster_size:", clusterNodes),
	} {
		if !strings.Contains(info, want+"\r\n") {
			return fmt.Errorf("no %s yet in %q", want, info)
		}
	}
	return nil
}

// Nodes are the masters, each with a third of the slots, in order.
func (c *RedisCluster) Nodes() []*Redis { return c.nodes }

// Options are those of a client. They leave the servers more time than a session store would.
func (c *RedisCluster) Options() *redis.ClusterOptions {
	o := &redis.ClusterOptions{
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 16,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, n := range c.nodes {
		o.Addrs = append(o.Addrs, n.Addr())
	}
	return o
}
