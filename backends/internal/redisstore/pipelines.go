package redisstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// DefaultPipelines is how many batches of commands may be under way to a server at once. While one is on its way, the other
	// one is run: more would make them smaller.
	DefaultPipelines = 2
	// mostCommands and mostBytes bound a batch: others wait until it has been sent, and all of it has to be answered within the time
	// that a client has for one answer. What is larger than largest is sent alone.
	mostCommands = 64
	mostBytes    = 64 << 10
	largest      = 16 << 10
	// overdue is for how long commands wait for those that are under way: when a server stands still, or a connection is dead, each
	// batch takes its own time to find that out.
	overdue = 25 * time.Millisecond
)

// errNotRun is the end of a command whose batch has ended by a panic of the client.
var errNotRun = errors.New("the client failed while it ran commands of others together with this one")

// Pipelines lets commands that are to be run at the same time share round trips: a few are under way at most, and those that come
// meanwhile are sent together on one connection when one of the few has come back (Redis documentation, "Redis pipelining"). That
// saves most of the system calls of both sides. A command that meets no others is sent at once, as without, and none waits for longer
// than overdue behind batches that do not come back: then there is one more.
//
// It keeps no goroutine: of those that wait, the one with the latest deadline runs the batch for all. A command ends at its own
// deadline, whatever becomes of the batch.
type Pipelines[C any] struct {
	most int
	one  func(ctx context.Context, command C)
	all  func(ctx context.Context, commands []C)

	turns sync.Pool

	mu      sync.Mutex
	busy    int // more than most while some are overdue
	waiting []*turn[C]
	watch   *time.Timer // calls hurry, if anybody waits; nil as long as nobody has
}

// turn is a command that waits, and is run by somebody else, unless it gets a batch to run.
type turn[C any] struct {
	command C
	size    int
	since   time.Time
	end     time.Time
	wake    chan []*turn[C]
	err     error
}

// NewPipelines returns pipelines of which so many are used at once: DefaultPipelines if most is 0, and nil if it is negative. one runs a
// command, and all several of them in one round trip; both leave the outcome, errors included, in the commands.
func NewPipelines[C any](most int, one func(ctx context.Context, command C), all func(ctx context.Context, commands []C)) *Pipelines[C] {
	if most < 0 {
		return nil
	}
	return &Pipelines[C]{most: cmp.Or(most, DefaultPipelines), one: one, all: all}
}

// Run runs a command with these arguments. After an error the outcome must not be looked at: perhaps it is run yet.
func (p *Pipelines[C]) Run(ctx context.Context, command C, args []any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size := sizeOf(args)
	if size > largest {
		p.one(ctx, command)
		return nil
	}
	p.mu.Lock()
	if p.busy < p.most { // nobody waits
		p.busy++
		p.mu.Unlock()
		defer p.next()
		p.one(ctx, command)
		return nil
	}
	p.mu.Unlock()
	return p.wait(ctx, command, size)
}

// sizeOf is what a command has that may be large: a record.
func sizeOf(args []any) (n int) {
	for _, arg := range args {
		if data, ok := arg.(*bytesArg); ok {
			n += len(*data)
		}
	}
	return n
}

// wait runs a command with others.
func (p *Pipelines[C]) wait(ctx context.Context, command C, size int) error {
	t, _ := p.turns.Get().(*turn[C])
	if t == nil {
		t = &turn[C]{wake: make(chan []*turn[C], 1)}
	}
	t.command, t.size, t.since, t.end = command, size, time.Now(), endOf(ctx)
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
func (p *Pipelines[C]) leave(t *turn[C]) (batch []*turn[C], ok bool) {
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
func (p *Pipelines[C]) withdraw(t *turn[C]) bool {
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

// lead runs the batch that t was given, its own command among them, and wakes the others.
func (p *Pipelines[C]) lead(ctx context.Context, t *turn[C], batch []*turn[C]) {
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
		p.one(ctx, t.command)
		return
	}
	commands := make([]C, len(batch))
	for i, t := range batch {
		commands[i] = t.command
	}
	end, _ := ctx.Deadline()
	shared := &early{Context: context.WithoutCancel(ctx), end: end} // the others still wait if t is not wanted any more
	defer shared.release()
	p.all(shared, commands)
	lost = nil
}

// next is called when one of those under way has come back.
func (p *Pipelines[C]) next() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.busy--
		return
	}
	p.start()
}

// hurry runs those that have waited for too long beside what is under way.
func (p *Pipelines[C]) hurry() {
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

func (p *Pipelines[C]) hurryIn(d time.Duration) {
	if p.watch == nil {
		p.watch = time.AfterFunc(d, p.hurry)
	} else {
		p.watch.Reset(d)
	}
}

// start gives a batch of those that wait to one of them to run.
func (p *Pipelines[C]) start() {
	n, size := 0, 0
	for n < min(len(p.waiting), mostCommands) && (n == 0 || size+p.waiting[n].size <= mostBytes) {
		size += p.waiting[n].size
		n++
	}
	batch, rest := p.waiting[:n:n], p.waiting[n:]
	p.waiting = append(make([]*turn[C], 0, max(n, len(rest))), rest...)
	slices.MaxFunc(batch, func(a, b *turn[C]) int { return a.end.Compare(b.end) }).wake <- batch
}
