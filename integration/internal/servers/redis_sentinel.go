package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const sentinels = 3

// RedisSentinelOptions say how a master, its replicas and its sentinels are set up. The zero value is one replica without
// password.
type RedisSentinelOptions struct {
	Replicas         int      // default 1
	TLS, Mutual      bool     // as in RedisOptions; also among the servers, and of the sentinels
	Password         string   // of the default user of the master and its replicas
	Users            []string // ACL rules of these
	SentinelPassword string   // of the sentinels' default user
	SentinelUsers    []string // ACL rules of the sentinels
	Config           []string // more lines of the redis.conf of the master and its replicas
	Server           Server   // as in RedisOptions
}

// RedisSentinel is a running master with replicas and three sentinels, two of which must agree that it has failed, after
// a second without an answer.
type RedisSentinel struct {
	t         testing.TB
	name      string
	nodes     []*Redis // the first master, and its replicas
	sentinels []*Redis
}

// StartRedisSentinel starts the servers on random ports of 127.0.0.1 and waits until they know each other. Nil options
// mean the zero value.
func StartRedisSentinel(t testing.TB, opts *RedisSentinelOptions) *RedisSentinel {
	t.Helper()
	var o RedisSentinelOptions
	if opts != nil {
		o = *opts
	}
	s := &RedisSentinel{t: t, name: "main"}
	certs := sharedCerts(t, o.TLS || o.Mutual)
	common := RedisOptions{certs: certs, TLS: o.TLS, Mutual: o.Mutual, Server: o.Server}
	for i := range 1 + max(o.Replicas, 1) {
		node := common
		node.replicated, node.Password, node.Users, node.Config = true, o.Password, o.Users, slices.Clone(o.Config)
		if i > 0 {
			node.Config = append(node.Config, fmt.Sprint("replicaof 127.0.0.1 ", s.nodes[0].port))
		}
		s.nodes = append(s.nodes, StartRedis(t, &node))
	}
	monitor := []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", s.name, s.nodes[0].port),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", s.name),
		fmt.Sprintf("sentinel failover-timeout %s 5000", s.name),
	}
	if o.Password != "" {
		monitor = append(monitor, fmt.Sprintf("sentinel auth-pass %s %s", s.name, o.Password))
	}
	if o.SentinelPassword != "" {
		monitor = append(monitor, "sentinel sentinel-pass "+o.SentinelPassword)
	}
	for range sentinels {
		sentinel := common
		sentinel.sentinel, sentinel.Password, sentinel.Users, sentinel.Config = true, o.SentinelPassword, o.SentinelUsers, monitor
		n := StartRedis(t, &sentinel)
		s.sentinels = append(s.sentinels, n)
		// They look around ten times as often as usual, so that tests need not wait long. A restart undoes that.
		if err := n.admin.Do(context.Background(), "sentinel", "debug", "info-period", 1000, "publish-period", 200).Err(); err != nil {
			t.Fatalf("SENTINEL DEBUG: %v", err)
		}
	}
	s.Await()
	return s
}

// Await waits until every replica that runs follows the master, and every sentinel knows the same master, its replicas and
// the other sentinels.
func (s *RedisSentinel) Await() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	for {
		err := s.agree(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			s.t.Fatalf("the sentinels do not agree: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *RedisSentinel) agree(ctx context.Context) error {
	var errs []error
	running, master := 0, s.Master()
	for _, n := range s.nodes {
		if !n.Alive() {
			continue
		}
		running++
		errs = append(errs, n.follows(ctx))
		role, err := n.admin.Do(ctx, "role").Slice()
		if err == nil && (role[0] == "master") != (n == master) {
			err = fmt.Errorf("a node is %v, and should not be", role[0])
		}
		errs = append(errs, err)
	}
	for _, n := range s.sentinels {
		if !n.Alive() {
			continue
		}
		info, err := n.admin.Info(ctx, "sentinel").Result()
		for _, want := range []string{"status=ok", fmt.Sprint("sentinels=", sentinels)} {
			if err == nil && !strings.Contains(info, want) {
				err = fmt.Errorf("no %s yet in %q", want, info)
			}
		}
		errs = append(errs, err)
		if known := n.replicas(ctx, s); known < running-1 {
			errs = append(errs, fmt.Errorf("a sentinel knows %d good replicas of %d", known, running-1))
		}
		if n.master(s) != master {
			errs = append(errs, errors.New("two sentinels have two masters"))
		}
	}
	return errors.Join(errs...)
}

// Master is the server that the first sentinel which answers takes for the master, or nil if none does.
func (s *RedisSentinel) Master() *Redis {
	for _, n := range s.sentinels {
		if master := n.master(s); master != nil {
			return master
		}
	}
	return nil
}

// master is what one sentinel takes for the master.
func (r *Redis) master(s *RedisSentinel) *Redis {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	if !r.Alive() {
		return nil
	}
	addr, err := r.admin.Do(ctx, "sentinel", "get-master-addr-by-name", s.name).StringSlice()
	if err != nil || len(addr) != 2 {
		return nil
	}
	i := slices.IndexFunc(s.nodes, func(n *Redis) bool { return n.Addr() == net.JoinHostPort(addr[0], addr[1]) })
	if i < 0 {
		return nil
	}
	return s.nodes[i]
}

// Replicas are the servers that run and are not the master.
func (s *RedisSentinel) Replicas() []*Redis {
	master := s.Master()
	return slices.DeleteFunc(slices.Clone(s.nodes), func(n *Redis) bool { return n == master || !n.Alive() })
}

// MasterName is the name under which the sentinels know the master.
func (s *RedisSentinel) MasterName() string { return s.name }

// replicas is how many replicas one sentinel would promote.
func (r *Redis) replicas(ctx context.Context, s *RedisSentinel) int {
	cmd := redis.NewMapStringStringSliceCmd(ctx, "sentinel", "replicas", s.name)
	_ = r.admin.Process(ctx, cmd) // none
	good := 0
	for _, replica := range cmd.Val() {
		if replica["flags"] == "slave" && replica["master-link-status"] == "ok" {
			good++
		}
	}
	return good
}

// Nodes are the first master and its replicas.
func (s *RedisSentinel) Nodes() []*Redis { return s.nodes }

// Sentinels are the sentinels.
func (s *RedisSentinel) Sentinels() []*Redis { return s.sentinels }

// URL is the store URL of the default user and database 0.
func (s *RedisSentinel) URL() string { return s.UserURL("", s.nodes[0].opts.Password, 0) }

// UserURL is the store URL for a user and a database, without credentials for the sentinels.
func (s *RedisSentinel) UserURL(user, password string, db int) string {
	one := s.sentinels[0].UserURL(user, password, 0)
	text := severalURL("sentinel", s.sentinels, one)
	u, err := url.Parse(text)
	if err != nil {
		s.t.Fatal(err)
	}
	u.Path = "/" + s.name + "/" + strconv.Itoa(db)
	return u.String()
}

// Options are those of a client. They leave the servers more time than a session store would.
func (s *RedisSentinel) Options() *redis.FailoverOptions {
	node := s.nodes[0].options()
	o := &redis.FailoverOptions{
		MasterName: s.name, Password: node.Password, TLSConfig: node.TLSConfig, SentinelPassword: s.sentinels[0].opts.Password,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 16,
	}
	for _, n := range s.sentinels {
		o.SentinelAddrs = append(o.SentinelAddrs, n.Addr())
	}
	return o
}
