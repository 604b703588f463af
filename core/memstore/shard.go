package memstore

import (
	"container/heap"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// sweepSteps is how many sessions sweep looks at in one go, which takes in the order of 0.1 ms.
const sweepSteps = 64

// shard is one part of a Store. Its methods need the lock.
type shard struct {
	sync.Mutex
	entries map[session.ID]*entry
	queue   queue
}

// entry is a stored session. The payload of rec is never changed in place: a reader copies it without the lock.
type entry struct {
	id       session.ID
	rec      session.Record
	deadline int64 // when the session ends, in milliseconds since 1970
	due      int64 // when sweep looks at it: its deadline when it was last put in order, so never after deadline
	index    int   // in the queue
	lock     *lock // nil while nobody holds it
}

// alive returns the session if it has not expired, else nil.
func (sh *shard) alive(id session.ID, now time.Time) *entry {
	if e := sh.entries[id]; e != nil && e.deadline > now.UnixMilli() {
		return e
	}
	return nil
}

func (sh *shard) add(id session.ID, rec session.Record) {
	deadline := rec.Deadline().UnixMilli()
	e := &entry{id: id, rec: rec, deadline: deadline, due: deadline}
	sh.entries[id] = e
	heap.Push(&sh.queue, e)
}

// update replaces the record of e. A session that lives longer keeps its place in the queue until sweep comes to it, so
// a request costs no heap operation.
func (sh *shard) update(e *entry, rec session.Record) {
	e.rec, e.deadline = rec, rec.Deadline().UnixMilli()
	if e.deadline < e.due {
		e.due = e.deadline
		heap.Fix(&sh.queue, e.index)
	}
}

func (sh *shard) remove(e *entry) {
	e.lock.end()
	heap.Remove(&sh.queue, e.index)
	delete(sh.entries, e.id)
}

// sweep removes up to limit expired sessions, and tells whether it stopped early so as not to hold the lock for long.
func (sh *shard) sweep(now time.Time, limit int) (removed int, more bool) {
	for range sweepSteps {
		if removed >= limit || len(sh.queue) == 0 || sh.queue[0].due > now.UnixMilli() {
			return removed, false
		}
		e := sh.queue[0]
		if e.deadline > e.due {
			e.due = e.deadline
			heap.Fix(&sh.queue, 0)
			continue
		}
		sh.remove(e)
		removed++
	}
	return removed, true
}

// queue is a heap of sessions, the one that is due first on top.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
