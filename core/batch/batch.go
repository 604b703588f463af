// Package batch lets calls that are to be made at the same time share round trips to a server, for authors of backends.
//
// # Concurrency
//
// Batches are safe for concurrent use, which is what they are for. They keep no goroutine, and nothing is to be closed.
package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// DefaultMost is how many batches are under way at once unless New is told otherwise. While one is on its way, the other one is
	// run: more would make them smaller.
	DefaultMost = 2
	// MostCalls is how many calls a batch has at most, and mostBytes how many bytes: others wait until it has been sent, and all of
	// it has to be answered within the time that a client has for one answer.
	MostCalls = 64
	mostBytes = 64 << 10
	// Largest is how many bytes a call in a batch has at most. A larger one is made alone.
	Largest = 16 << 10
	// overdue is for how long calls wait for those that are under way: when a server stands still, or a connection is dead, each
	// batch takes its own time to find that out.
	overdue = 25 * time.Millisecond
)

// errNotRun is the end of a call whose batch has ended by a panic of the client.
var errNotRun = errors.New("the client failed while it ran calls of others together with this one")

// Batches are calls under way to a server: a few at most, and those that come meanwhile are made together when one of the few has come
// back. That saves most of the system calls of both sides. A call that meets no others is made at once, as without, and none waits for
// longer than 25 ms behind batches that do not come back: then there is one more.
//
// Of those that wait, the one with the latest deadline runs the batch for all. A call ends at its own deadline, whatever becomes of
// the batch.
type Batches[C any] struct {
	most int
	one  func(ctx context.Context, call C)
	all  func(ctx context.Context, calls []C)

	turns sync.Pool

	mu      sync.Mutex
	busy    int // more than most while some are overdue
	waiting []*turn[C]
	watch   *time.Timer // calls hurry, if anybody waits; nil as long as nobody has
}

// turn is a call that waits, and is run by somebody else, unless it gets a batch to run.
type turn[C any] struct {
	call  C
	size  int
	since time.Time
	end   time.Time
	wake  chan []*turn[C]
	err   error
}

// New returns Batches of which so many are under way at once: DefaultMost if most is 0, and nil if it is negative, for a backend that
// asks for each call by itself then. one makes a call, and all several of them, two at least, in one round trip; both leave the
// outcome, errors included, in the calls. The context of all has the deadline of the most patient call, and nothing else ends it.
func New[C any](most int, one func(ctx context.Context, call C), all func(ctx context.Context, calls []C)) *Batches[C] {
	if most < 0 {
		return nil
	}
	return &Batches[C]{most: cmp.Or(most, DefaultMost), one: one, all: all}
}

// Run makes a call. size is how many bytes it sends, as far as they may be many. After an error the outcome must not be looked at:
// perhaps the call is under way yet.
func (p *Batches[C]) Run(ctx context.Context, call C, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if size > Largest {
		p.one(ctx, call)
		return nil
	}
	p.mu.Lock()
	if p.busy < p.most { // nobody waits
		p.busy++
		p.mu.Unlock()
		defer p.next()
		p.one(ctx, call)
		return nil
	}
	p.mu.Unlock()
	return p.wait(ctx, call, size)
}

// wait runs a call with others.
func (p *Batches[C]) wait(ctx context.Context, call C, size int) error {
	t, _ := p.turns.Get().(*turn[C])
	if t == nil {
		t = &turn[C]{wake: make(chan []*turn[C], 1)}
	}
	t.call, t.size, t.since, t.end = call, size, time.Now(), endOf(ctx)
	done := ctx.Done()
	p.mu.Lock()
	p.waiting = append(p.waiting, t)
	switch {
	case p.busy < p.most: // they have come back since
		p.busy++
		p.start()
	case len(p.waiting) == 1:
		p.hurryIn(overdue)
	}
	p.mu.Unlock()
	var batch []*turn[C]
	select {
	case batch = <-t.wake:
	case <-done:
		var ok bool
		if batch, ok = p.leave(t); !ok {
			return cmp.Or(ctx.Err(), context.Canceled)
		}
	}
	if batch != nil {
		p.lead(ctx, t, batch)
	}
	err := t.err
	*t = turn[C]{wake: t.wake}
	p.turns.Put(t)
	return err
}

// leave gives t up, whose context has ended and which nobody may use again then, unless it has a batch to run, or has been run. One
// that is under way is given up at its deadline only: what comes after it would otherwise overtake it.
func (p *Batches[C]) leave(t *turn[C]) (batch []*turn[C], ok bool) {
	if p.withdraw(t) {
		return nil, false
	}
	late := time.NewTimer(time.Until(t.end))
	defer late.Stop()
	select {
	case batch := <-t.wake:
		return batch, true
	default:
	}
	select {
	case batch := <-t.wake:
		return batch, true
	case <-late.C:
		return nil, false
	}
}

// withdraw takes t out of those that wait, if it is one.
func (p *Batches[C]) withdraw(t *turn[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, t)
	if i < 0 {
		return false
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	return true
}

// endOf is the deadline of a context, or later than all calls end.
func endOf(ctx context.Context) time.Time {
	if end, ok := ctx.Deadline(); ok {
		return end
	}
	return time.Now().Add(time.Hour)
}

// lead runs the batch that t was given, its own call among them, and wakes the others.
func (p *Batches[C]) lead(ctx context.Context, t *turn[C], batch []*turn[C]) {
	lost := errNotRun
	defer func() {
		p.next()
		for _, other := range batch {
			if other != t {
				other.err = lost
				other.wake <- nil
			}
		}
	}()
	if len(batch) == 1 {
		p.one(ctx, t.call)
		return
	}
	calls := make([]C, len(batch))
	for i, t := range batch {
		calls[i] = t.call
	}
	shared := context.WithoutCancel(ctx) // the others still wait if t is not wanted any more
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		shared, cancel = context.WithDeadline(shared, end)
		defer cancel()
	}
	p.all(shared, calls)
	lost = nil
}

// next is called when one of those under way has come back. Those that wait go on with it, unless it was one too many.
func (p *Batches[C]) next() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.busy > p.most {
		p.busy--
		return
	}
	p.start()
}

// hurry runs those that have waited for too long beside what is under way.
func (p *Batches[C]) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 && time.Since(p.waiting[0].since) >= overdue {
		p.busy++
		p.start()
	}
	if len(p.waiting) > 0 {
		p.hurryIn(max(0, overdue-time.Since(p.waiting[0].since)))
	}
}

func (p *Batches[C]) hurryIn(d time.Duration) {
	if p.watch == nil {
		p.watch = time.AfterFunc(d, p.hurry)
	} else {
		p.watch.Reset(d)
	}
}

// start gives a batch of those that wait to one of them to run.
func (p *Batches[C]) start() {
	n, size := 0, 0
	for n < min(len(p.waiting), MostCalls) && (n == 0 || size+p.waiting[n].size <= mostBytes) {
		size += p.waiting[n].size
		n++
	}
	batch, rest := p.waiting[:n:n], p.waiting[n:]
	p.waiting = append(make([]*turn[C], 0, max(n, len(rest))), rest...)
	slices.MaxFunc(batch, func(a, b *turn[C]) int { return a.end.Compare(b.end) }).wake <- batch
}
