package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// gates lets the commits of one session reach the store in the order of their arrival, and those that wait together be
// stored by one write. Without it the compare-and-set of a hot session starves some of them (16 of 1,600 gave up after
// 64 tries each), and with nothing but a queue each would cost a write of its own.
type gates struct {
	shards [64]gateShard
}

type gateShard struct {
	mu sync.Mutex
	// open holds the gate of each session that somebody is writing.
	open map[ID]*gate
}

// gate is where commits of one session wait while another one writes.
type gate struct {
	queue []*entry // guarded by the shard
	// newest is what the previous commit stored: the next one starts from it and spares itself a refused write. Only the
	// one that writes may use it.
	newest Record
	took   time.Duration // the previous commit, from its turn on
}

// entry is one request's commit on its way through the gate. While its owner waits, whoever writes may work on it.
type entry struct {
	s     *Session
	alone bool // it does more than write changes: nobody else can do it along
	wake  chan struct{}
	lead  bool      // woken to write, else because it is done
	self  [1]*entry // a batch of one
	gate  gate      // if there was none: its own, and then that of those behind it

	err       error
	panicked  any    // by an Update's function
	merged    bool   // computed anew, for another record than the one that the request read
	overwrote string // a key that another request has changed, and this one set
}

// base is the record to start from: the one that the request read, or what was stored here since.
func (t *gate) base(read Record) Record {
	if string(t.newest.Version[:]) > string(read.Version[:]) {
		return t.newest
	}
	return read
}

var errBusy = errors.New("too many requests are changing this session at once")

// enter waits for e's turn to write. The gate is nil if e is done: somebody has written it along, or ctx has ended.
func (g *gates) enter(ctx context.Context, e *entry) *gate {
	id := e.s.id
	shard := &g.shards[id[0]%64]
	shard.mu.Lock()
	t := shard.open[id]
	if t == nil {
		if shard.open == nil {
			shard.open = make(map[ID]*gate)
		}
		t = &e.gate
		shard.open[id] = t
		shard.mu.Unlock()
		return t
	}
	e.wake = make(chan struct{}, 1)
	t.queue = append(t.queue, e)
	shard.mu.Unlock()
	select {
	case <-e.wake:
	case <-ctx.Done():
		shard.mu.Lock()
		i := slices.Index(t.queue, e)
		if i >= 0 {
			t.queue = slices.Delete(t.queue, i, i+1)
			e.err = fmt.Errorf("%w: %w", ErrUnavailable, errBusy)
		}
		shard.mu.Unlock()
		if i >= 0 {
			return nil
		}
		<-e.wake // its turn has come, or somebody is writing it: the outcome is near
	}
	if !e.lead {
		return nil
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < t.took {
		// It waited for too long to be done in time: those behind it should not fail with it.
		e.err = fmt.Errorf("%w: %w", ErrUnavailable, errBusy)
		g.leave(id, t, nil)
		return nil
	}
	return t
}

// company returns e and those behind it that can be written along.
func (g *gates) company(t *gate, e *entry) []*entry {
	shard := &g.shards[e.s.id[0]%64]
	e.self[0] = e
	if e.alone {
		return e.self[:]
	}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	n := slices.IndexFunc(t.queue, func(e *entry) bool { return e.alone })
	if n < 0 {
		n = len(t.queue)
	}
	if n == 0 {
		return e.self[:]
	}
	batch := append([]*entry{e}, t.queue[:n]...)
	t.queue = slices.Delete(t.queue, 0, n)
	return batch
}

// leave wakes those who were written along, which are done, and passes the turn on.
func (g *gates) leave(id ID, t *gate, along []*entry) {
	for _, e := range along {
		e.wake <- struct{}{}
	}
	shard := &g.shards[id[0]%64]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(t.queue) == 0 {
		delete(shard.open, id)
		return
	}
	next := t.queue[0]
	t.queue = slices.Delete(t.queue, 0, 1)
	next.lead = true
	next.wake <- struct{}{}
}
