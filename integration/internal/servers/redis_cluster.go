package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	clusterSlots = 16384
	// clusterTime is how long the nodes may take to agree. They take a few seconds by design, more on a busy machine.
	clusterTime = 60 * time.Second
)

// RedisClusterOptions say how a cluster is set up. The zero value is three masters without replicas or password.
type RedisClusterOptions struct {
	Masters     int           // default 3; fewer never replace one that failed
	Replicas    int           // of each master
	TLS, Mutual bool          // as in RedisOptions; the nodes speak it to each other too
	Password    string        // of the default user
	Users       []string      // ACL rules, as in RedisOptions
	NodeTimeout time.Duration // without an answer a node counts as failed; default 1.5 s
	Config      []string      // more lines of each redis.conf
	Server      Server        // as in RedisOptions
}

// RedisCluster is a running Redis Cluster.
type RedisCluster struct {
	t       testing.TB
	masters int
	nodes   []*Redis // the masters first
}

// StartRedisCluster starts a cluster on random ports of 127.0.0.1 and waits until every node serves it. Each node writes
// nothing to disk but what it knows of the cluster. Nil options mean the zero value.
func StartRedisCluster(t testing.TB, opts *RedisClusterOptions) *RedisCluster {
	t.Helper()
	var o RedisClusterOptions
	if opts != nil {
		o = *opts
	}
	c := &RedisCluster{t: t, masters: cmp.Or(o.Masters, 3)}
	node := RedisOptions{
		cluster: true, certs: sharedCerts(t, o.TLS || o.Mutual), TLS: o.TLS, Mutual: o.Mutual,
		Password: o.Password, Users: o.Users, Server: o.Server,
		Config: append([]string{
			fmt.Sprint("cluster-node-timeout ", cmp.Or(o.NodeTimeout, 1500*time.Millisecond).Milliseconds()),
			"cluster-require-full-coverage no", // else one master that fails takes the others with it
		}, o.Config...),
	}
	for range c.masters * (1 + o.Replicas) {
		c.nodes = append(c.nodes, StartRedis(t, &node))
	}
	if err := c.join(); err != nil {
		t.Fatalf("join the nodes of the cluster: %v", err)
	}
	c.Await()
	return c
}

// StartClusterNode starts a node that is in no cluster.
func StartClusterNode(t testing.TB) *Redis {
	t.Helper()
	return StartRedis(t, &RedisOptions{cluster: true})
}

// sharedCerts makes the certificates of servers that belong together, if wanted.
func sharedCerts(t testing.TB, wanted bool) *Certs {
	t.Helper()
	if !wanted {
		return nil
	}
	dir, err := os.MkdirTemp("", "certs") // a container sees it under the same path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return NewCerts(t, dir)
}

// join spreads the slots evenly over the masters, introduces the nodes to each other, and gives each replica its master.
func (c *RedisCluster) join() error {
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	first := c.nodes[0]
	for i, n := range c.nodes {
		var err error
		n.id, err = n.admin.Do(ctx, "cluster", "myid").Text() // its name, for good
		errs := []error{err}
		if i < c.masters {
			from, to := i*clusterSlots/c.masters, (i+1)*clusterSlots/c.masters-1
			errs = append(errs, n.admin.Do(ctx, "cluster", "set-config-epoch", i+1).Err(), // else they would have to settle whose slots these are
				n.admin.Do(ctx, "cluster", "addslotsrange", from, to).Err())
		}
		if n != first {
			errs = append(errs, n.admin.Do(ctx, "cluster", "meet", "127.0.0.1", first.port, first.bus).Err())
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	for i, n := range c.nodes[c.masters:] {
		id := c.nodes[i%c.masters].id
		for { // until it has heard of its master
			err := n.admin.Do(ctx, "cluster", "replicate", id).Err()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

// Await waits until every node that runs sees all nodes and serves all slots, and every replica follows its master, for
// instance after a node was restarted.
func (c *RedisCluster) Await() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(c.nodes))
	for i, n := range c.nodes {
		if !n.Alive() {
			continue
		}
		wg.Go(func() {
			for errs[i] = c.agrees(ctx, n); errs[i] != nil && ctx.Err() == nil; errs[i] = c.agrees(ctx, n) {
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
func (c *RedisCluster) agrees(ctx context.Context, r *Redis) error {
	info, err := r.admin.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	for _, want := range []string{
		"cluster_state:ok", fmt.Sprint("cluster_slots_ok:", clusterSlots), fmt.Sprint("cluster_known_nodes:", len(c.nodes)),
		fmt.Sprint("cluster_size:", c.masters),
	} {
		if !strings.Contains(info, want+"\r\n") {
			return fmt.Errorf("no %s yet in %q", want, info)
		}
	}
	return r.follows(ctx)
}

// follows tells what is missing until r, if it is a replica, has all that its master has, and if it is a master, sends its
// replicas each change at once.
func (r *Redis) follows(ctx context.Context) error {
	info, err := r.admin.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
		return errors.New("a replica does not follow yet")
	}
	if strings.Count(info, ",state=") != strings.Count(info, ",state=online") {
		return errors.New("a master does not send changes to a replica yet")
	}
	return nil
}

// Nodes are the nodes: at first the masters, each with the same share of the slots, in order, and then their replicas.
func (c *RedisCluster) Nodes() []*Redis { return c.nodes }

// URL is the store URL of the default user, with all nodes.
func (c *RedisCluster) URL() string { return c.UserURL("", c.nodes[0].opts.Password) }

// UserURL is the store URL for a user.
func (c *RedisCluster) UserURL(user, password string) string {
	return severalURL("cluster", c.nodes, c.nodes[0].UserURL(user, password, 0))
}

// severalURL makes the URL of several servers of the URL of one of them.
func severalURL(topology string, all []*Redis, one string) string {
	addrs := make([]string, len(all))
	for i, r := range all {
		addrs[i] = r.Addr()
	}
	scheme, rest, _ := strings.Cut(one, "://")
	return scheme + "+" + topology + "://" + strings.Replace(rest, addrs[0], strings.Join(addrs, ","), 1)
}

// Options are those of a client. They leave the servers more time than a session store would.
func (c *RedisCluster) Options() *redis.ClusterOptions {
	first := c.nodes[0].options()
	o := &redis.ClusterOptions{
		Password: first.Password, TLSConfig: first.TLSConfig,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 16,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, n := range c.nodes {
		o.Addrs = append(o.Addrs, n.Addr())
	}
	return o
}
