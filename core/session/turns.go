package session

import (
	"context"
	"slices"
	"sync"
	"time"
)

// turns lets the requests of this process that want one session with Exclusive ask the store one after the other, in
// the order of their arrival. So a node has at most one waiter there, and what the others wait for costs no I/O.
type turns struct {
	shards [64]turnShard
}

type turnShard struct {
	mu sync.Mutex
	// open holds the turn of each session that somebody has locked, or is about to.
	open map[ID]*turn
}

// turn is where requests wait for the one that has the session or asks the store for it, whose turn it is.
type turn struct {
	queue  []chan struct{}
	asking bool   // the first one waits in the store
	holder Holder // who has the lock, as far as is known here
}

// enter waits for the turn of a request, which must leave then. If max others wait already, or when ctx or the time is
// over, it fails with a *LockedError.
func (t *turns) enter(ctx context.Context, id ID, me Holder, l lockLimits) error {
	begin := time.Now()
	shard := &t.shards[id[0]%64]
	shard.mu.Lock()
	own := shard.open[id]
	if own == nil {
		if shard.open == nil {
			shard.open = make(map[ID]*turn)
		}
		shard.open[id] = &turn{holder: me}
		shard.mu.Unlock()
		return nil
	}
	waiters := len(own.queue)
	if own.asking {
		waiters++
	}
	if waiters >= l.waiters || l.wait <= 0 {
		holder := own.holder
		shard.mu.Unlock()
		if l.wait <= 0 || l.waiters <= 0 {
			return &LockedError{Holder: holder, Err: errWaited}
		}
		return &LockedError{Holder: holder, Err: errTooMany(waiters, l.waiters)}
	}
	wake := make(chan struct{}, 1)
	own.queue = append(own.queue, wake)
	shard.mu.Unlock()

	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	cause := errWaited
	select {
	case <-wake:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	shard.mu.Lock()
	holder, i := own.holder, slices.Index(own.queue, wake)
	if i >= 0 {
		own.queue = slices.Delete(own.queue, i, i+1)
	}
	shard.mu.Unlock()
	if i < 0 { // its turn has come at this moment
		t.leave(id)
	}
	return &LockedError{Holder: holder, Waited: time.Since(begin), Err: cause}
}

// know notes who has the lock, and whether the one whose turn it is waits for that one in the store.
func (t *turns) know(id ID, holder Holder, asking bool) {
	shard := &t.shards[id[0]%64]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	own := shard.open[id]
	own.holder, own.asking = holder, asking
}

// leave passes the turn on.
func (t *turns) leave(id ID) {
	shard := &t.shards[id[0]%64]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	own := shard.open[id]
	if len(own.queue) == 0 {
		delete(shard.open, id)
		return
	}
	own.asking = false
	own.queue[0] <- struct{}{}
	own.queue = slices.Delete(own.queue, 0, 1)
}
