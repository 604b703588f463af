package redigo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// maxRedirections is how often a command follows the cluster to another node: the specification of Redis Cluster asks
	// for a limit, since nodes may disagree for a moment.
	maxRedirections = 5
	// lookTime is what one look around may take.
	lookTime = time.Second
)

// cluster is a Redis Cluster: a pool for each of its masters.
type cluster struct {
	dialer *dialer
	*lookout

	mu      sync.Mutex
	servers map[string]*server // by address
	closed  bool
	table   atomic.Pointer[table] // nil until somebody has looked around
	first   chan struct{}         // has one while somebody does so for the first time
}

// table tells which server has a slot; nil if none has.
type table [redisstore.Slots]*server

func newCluster(d *dialer) *cluster {
	c := &cluster{dialer: d, servers: make(map[string]*server), first: make(chan struct{}, 1)}
	c.lookout = newLookout(lookTime, func(ctx context.Context) { _ = c.ask(ctx) })
	return c
}

// do implements router.
func (c *cluster) do(ctx context.Context, key string, r request) (reply any, err error) {
	n := redisstore.Slot(key)
	err = redisstore.Retry(ctx, func() (err error) {
		reply, err = c.follow(ctx, n, r)
		return err
	}, c.around)
	return reply, err
}

// follow runs a command on the server of a slot, or where that one sends it.
func (c *cluster) follow(ctx context.Context, slot int, r request) (reply any, err error) {
	at, err := c.owner(ctx, slot)
	for range maxRedirections {
		if err != nil {
			return nil, err
		}
		if reply, err = at.call(ctx, r); err == nil {
			return reply, nil
		}
		if errors.Is(err, session.ErrClosed) { // the node has just lost its last slot, or the Store is closed
			r.asking = false
			at, err = c.current(slot)
			continue
		}
		refused, ok := errors.AsType[redisstore.ServerError](err)
		if !ok {
			return nil, err
		}
		kind, to, ok := redisstore.Redirection(string(refused), at.addr)
		if !ok {
			return nil, err
		}
		if kind == "MOVED" {
			c.around()
		}
		r.asking = kind == "ASK"
		at, err = c.server(to)
	}
	return nil, fmt.Errorf("sent from node to node %d times", maxRedirections)
}

// owner is the server of a slot.
func (c *cluster) owner(ctx context.Context, slot int) (*server, error) {
	if c.table.Load() == nil {
		if err := c.begin(ctx); err != nil {
			return nil, err
		}
	}
	return c.current(slot)
}

// current is the server of a slot as the table has it.
func (c *cluster) current(slot int) (*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.table.Load()
	switch {
	case c.closed:
		return nil, session.ErrClosed
	case t == nil || t[slot] == nil:
		return nil, redisstore.ServerError("CLUSTERDOWN no node has the slot")
	}
	return t[slot], nil
}

// server returns the pool of an address.
func (c *cluster) server(addr string) (*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, session.ErrClosed
	}
	s := c.servers[addr]
	if s == nil {
		s = c.dialer.server(addr)
		c.servers[addr] = s
	}
	return s, nil
}

// begin asks which servers have which slots, for the first time.
func (c *cluster) begin(ctx context.Context) error {
	select {
	case c.first <- struct{}{}:
		defer func() { <-c.first }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.table.Load() != nil {
		return nil
	}
	return c.ask(ctx)
}

// ask asks one node after the other, those that the URL names and those that were found later, in random order: a node
// that hangs must not be the first one each time.
func (c *cluster) ask(ctx context.Context) error {
	addrs := slices.Clone(c.dialer.config.Addrs)
	c.mu.Lock()
	for addr := range c.servers {
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	c.mu.Unlock()
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	var err error
	for _, addr := range addrs {
		var s *server
		if s, err = c.server(addr); err == nil {
			err = c.learn(ctx, s)
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, session.ErrClosed) {
			break
		}
	}
	return err
}

// learn makes the table of what a node says.
func (c *cluster) learn(ctx context.Context, s *server) error {
	reply, err := s.call(ctx, request{args: []any{"CLUSTER", "SLOTS"}})
	if err != nil {
		return err
	}
	ranges, err := redisstore.ParseSlots(reply, s.addr)
	if err != nil {
		return err
	}
	t, used := new(table), map[string]bool{}
	for _, r := range ranges {
		master, err := c.server(r.Nodes[0])
		if err != nil {
			return err
		}
		used[r.Nodes[0]] = true
		for n := r.From; n <= r.To; n++ {
			t[n] = master
		}
	}
	c.table.Store(t)
	c.forget(used)
	return nil
}

// forget closes the pools of nodes that have no slots any more, but for those that the URL names.
func (c *cluster) forget(used map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for addr, s := range c.servers {
		if !used[addr] && !slices.Contains(c.dialer.config.Addrs, addr) {
			delete(c.servers, addr)
			_ = s.closePool() // calls that have found it already end as they would
		}
	}
}

// shards is a conn to a cluster.
type shards struct {
	conn
	all *cluster
}

// Masters implements redisstore.Sharded.
func (s shards) Masters(ctx context.Context) (int, error) {
	if _, err := s.all.owner(ctx, 0); err != nil && s.all.table.Load() == nil {
		return 0, err
	}
	seen := make(map[*server]bool)
	for _, master := range s.all.table.Load() {
		if master != nil {
			seen[master] = true
		}
	}
	return len(seen), nil
}

// MasterOf implements redisstore.Sharded.
func (s shards) MasterOf(ctx context.Context, key string) (string, error) {
	master, err := s.all.owner(ctx, redisstore.Slot(key))
	if err != nil {
		return "", err
	}
	return master.addr, nil
}

// listen implements router: any node passes messages on.
func (c *cluster) listen(ctx context.Context) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	at, err := c.owner(ctx, rand.IntN(redisstore.Slots))
	if err != nil {
		return nil, err
	}
	own, err := at.listen(ctx)
	if err != nil {
		c.around()
	}
	return own, err
}

func (c *cluster) close() error {
	c.mu.Lock()
	c.closed = true
	servers := c.servers
	c.servers = nil
	c.mu.Unlock()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.close())
	}
	c.lookout.close()
	return errors.Join(errs...)
}
