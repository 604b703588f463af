package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// proofEvery is the time from one proof that replicas follow to the next, and proofLasts how long it holds.
	proofEvery = time.Second
	proofLasts = 2 * time.Second
	// proofPause is the least time between proofs, for replicas that have a new connection.
	proofPause = 50 * time.Millisecond
	// searchEvery is the time after which they are looked for again if all is well.
	searchEvery = 10 * time.Second
)

// replicas are those of a Store's masters, and what is known of them.
//
// A replica that has lost its master goes on answering, with what it has, for as long as it likes. So nothing is believed of
// one that has not just shown what was written a moment before: every second a session is written to each master, as Ping
// does, and looked for in its replicas. Whatever a replica says within two seconds is no older than that session.
type replicas struct {
	store *Store
	begin time.Time
	find  func(ctx context.Context) ([]SlotRange, error)
	dial  func(addr string, connected func()) Reader
	table atomic.Pointer[replicaTable] // nil until they are found
	again chan struct{}                // has one when a replica needs another proof

	mu      sync.Mutex
	cancel  context.CancelFunc // of the goroutine that proves; nil until it is needed
	stopped bool
	done    chan struct{} // closed when it has ended
}

// replicaTable is which replicas there are for each slot, by groups that have one master.
type replicaTable struct {
	groups  [][]*replica
	groupOf [Slots]int16 // -1 for none
}

// replica is one of them.
type replica struct {
	addr   string
	client Reader
	until  atomic.Int64 // when its last proof no longer holds, as ticks has it
	conns  atomic.Int64 // how many connections were made to it
	again  chan<- struct{}
	mu     sync.Mutex // of those who change until and conns together
}

// believe is for a proof that was begun when there were so many connections.
func (r *replica) believe(until, conns int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns.Load() != conns {
		return false
	}
	r.until.Store(until)
	return true
}

// connected is called for each new connection: the server may have started anew since the proof, with what it had on disk.
func (r *replica) connected() {
	r.mu.Lock()
	r.conns.Add(1)
	r.until.Store(0)
	r.mu.Unlock()
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// ticks is a moment in nanoseconds of a clock that nobody sets.
func (rs *replicas) ticks(t time.Time) int64 { return int64(t.Sub(rs.begin)) }

// UseReplicas makes the Store do with replicas what c says: read from them, and wait for them. dial makes the client for
// one. findAll tells where they are; nil means that the servers of a cluster are asked, or that c says it.
func UseReplicas(s *Store, c *Config, findAll func(ctx context.Context) ([]string, error), dial func(addr string, connected func()) Reader) {
	s.wait, s.waitTimeout = c.Wait, c.WaitTimeout
	if !c.Replicas {
		return
	}
	s.replicas = &replicas{store: s, begin: time.Now(), dial: dial, again: make(chan struct{}, 1), done: make(chan struct{})}
	switch {
	case c.Topology == Cluster:
		s.replicas.find = func(ctx context.Context) ([]SlotRange, error) {
			reply, err := s.conn.Do(ctx, 0, "cluster", "slots")
			if err != nil {
				return nil, err
			}
			return ParseSlots(reply, c.Addrs[0])
		}
	default:
		s.replicas.find = func(ctx context.Context) (_ []SlotRange, err error) {
			addrs := c.ReplicaAddrs
			if findAll != nil {
				addrs, err = findAll(ctx)
			}
			return []SlotRange{{0, Slots - 1, append([]string{""}, addrs...)}}, err
		}
	}
}

// ReadReplica implements session.ReplicaReader for a Store whose URL asks for it. What it returns is at most two seconds
// old.
func (s *Store) ReadReplica(ctx context.Context, id session.ID) (session.Record, error) {
	switch {
	case s.closed.Load():
		return session.Record{}, session.ErrClosed
	case s.replicas == nil:
		return session.Record{}, errors.ErrUnsupported
	}
	key := s.key(id)
	r := s.replicas.pick(key)
	if r == nil {
		return session.Record{}, errNoReplica
	}
	conns := r.conns.Load() // before until, which a new connection sets to 0
	until := r.until.Load()
	half := halfOf(ctx)
	defer half.release()
	rec, err := s.read(half, r.client, 1, "hmget", key, "t", "r")
	if (err == nil || errors.Is(err, session.ErrNotFound)) && (r.conns.Load() != conns || s.replicas.ticks(time.Now()) >= until) {
		return session.Record{}, errNoReplica // the answer may be older than what was proved
	}
	if err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrCorrupt) && ctx.Err() == nil {
		r.until.Store(0) // those who come after need not find out for themselves
	}
	return rec, err
}

var errNoReplica = fmt.Errorf("%w: no replica has just shown that it follows", session.ErrUnavailable)

// pick returns a replica that is known to follow and has a key, or nil.
func (rs *replicas) pick(key string) *replica {
	table := rs.table.Load()
	if table == nil {
		rs.start()
		return nil
	}
	group := 0
	if len(table.groups) > 1 {
		group = int(table.groupOf[Slot(key)])
	}
	if group < 0 || len(table.groups) == 0 {
		return nil
	}
	all, now := table.groups[group], rs.ticks(time.Now())
	if len(all) == 0 {
		return nil
	}
	first := mathrand.IntN(len(all))
	for i := range all {
		if r := all[(first+i)%len(all)]; now < r.until.Load() {
			return r
		}
	}
	return nil
}

// start begins to look for replicas with the first read: a program that never asks for them costs the servers nothing.
func (rs *replicas) start() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.cancel != nil || rs.stopped {
		return
	}
	var ctx context.Context
	ctx, rs.cancel = context.WithCancel(context.Background())
	go rs.run(ctx)
}

// stop ends all of it, and awaits that.
func (rs *replicas) stop() {
	rs.mu.Lock()
	rs.stopped = true
	cancel := rs.cancel
	rs.mu.Unlock()
	if cancel != nil {
		cancel()
		<-rs.done
	}
}

// run looks for the replicas, and asks each for a proof, until ctx ends.
func (rs *replicas) run(ctx context.Context) {
	defer close(rs.done)
	defer func() { rs.replace(nil) }()
	var searched time.Time
	for ctx.Err() == nil {
		begin := time.Now()
		if time.Since(searched) > searchEvery {
			if rs.search(ctx) == nil {
				searched = begin
			}
		}
		if !rs.prove(ctx) { // one is gone, or others have its place
			searched = time.Time{}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(begin.Add(proofEvery))):
		case <-rs.again:
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(begin.Add(proofPause))):
			}
		}
	}
}

// search finds out which replicas there are.
func (rs *replicas) search(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proofEvery)
	defer cancel()
	ranges, err := rs.find(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]*replica)
	if old := rs.table.Load(); old != nil {
		for _, r := range slices.Concat(old.groups...) {
			known[r.addr] = r
		}
	}
	table, groups := new(replicaTable), make(map[string]int16)
	for n := range table.groupOf {
		table.groupOf[n] = -1
	}
	for _, found := range ranges {
		group, ok := groups[found.Nodes[0]]
		if !ok {
			group = int16(len(table.groups))
			groups[found.Nodes[0]] = group
			table.groups = append(table.groups, nil)
			for _, addr := range found.Nodes[1:] {
				if known[addr] == nil {
					r := &replica{addr: addr, again: rs.again}
					r.client = rs.dial(addr, r.connected)
					known[addr] = r
				}
				table.groups[group] = append(table.groups[group], known[addr])
			}
		}
		for n := found.From; n <= found.To; n++ {
			table.groupOf[n] = group
		}
	}
	rs.replace(table)
	return nil
}

// replace installs a table, and closes the clients that are not in it.
func (rs *replicas) replace(table *replicaTable) {
	var kept []*replica
	if table != nil {
		kept = slices.Concat(table.groups...)
	}
	old := rs.table.Swap(table)
	if old == nil {
		return
	}
	for _, r := range slices.Concat(old.groups...) {
		if !slices.Contains(kept, r) {
			r.until.Store(0)
			_ = r.client.Close()
		}
	}
}

// prove writes a session to each master and looks for it in the replicas. It reports whether all have it.
func (rs *replicas) prove(ctx context.Context) bool {
	table := rs.table.Load()
	if table == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, proofEvery)
	defer cancel()
	var all sync.WaitGroup
	var failed atomic.Bool
	for group := range table.groups {
		all.Go(func() {
			if rs.proveGroup(ctx, table, group) != nil {
				failed.Store(true)
			}
		})
	}
	all.Wait()
	return !failed.Load()
}

func (rs *replicas) proveGroup(ctx context.Context, table *replicaTable, group int) error {
	if len(table.groups[group]) == 0 {
		return nil
	}
	id := table.idOf(rs.store, group)
	begin := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: begin, Seen: begin, TTL: 2 * proofLasts}
	if err := rs.store.put(ctx, id, rec, session.Version{}); err != nil {
		return err
	}
	errs := make(chan error)
	for _, r := range table.groups[group] {
		go func() { errs <- r.prove(ctx, rs.store.key(id), rs.ticks(begin.Add(proofLasts))) }()
	}
	var err error
	for range table.groups[group] {
		err = cmp.Or(err, <-errs)
	}
	return err
}

// idOf draws the id of a session that a group has.
func (t *replicaTable) idOf(s *Store, group int) (id session.ID) {
	for range 10 * Slots { // it may have one slot, and have lost that to another group in the same answer
		_, _ = rand.Read(id[:]) // never fails
		if len(t.groups) == 1 || int(t.groupOf[Slot(s.key(id))]) == group {
			break
		}
	}
	return id
}

// prove waits until the replica has a session, and believes it until a time.
func (r *replica) prove(ctx context.Context, key string, until int64) error {
	for {
		conns := r.conns.Load()
		_, data, err := r.client.Fields(ctx, 1, "hmget", key, "t", "r")
		if err != nil {
			return err
		}
		if data != nil && r.believe(until, conns) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
