package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Op names a method of a Handler.
type Op string

// The operations of a Handler and of its optional capabilities.
const (
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpDestroy Op = "destroy"
	OpGC      Op = "gc"
	OpTouch   Op = "touch"
	OpPing    Op = "ping"
	OpClose   Op = "close"

	OpReadReplica Op = "read-replica"

	OpBegin     Op = "begin"
	OpReadSince Op = "read-since"

	OpAcquire      Op = "acquire"
	OpWriteRelease Op = "write-release"
	OpExtend       Op = "extend"
	OpRelease      Op = "release"
)

// Faulty is a Handler that passes every call on to another one, counts it, and lets a test disturb it:
//
//	f := sessiontest.NewFaulty(memstore.New(nil))
//	f.Before(sessiontest.OpWrite, 1, sessiontest.Fail) // the next write is not applied
//	f.After(sessiontest.OpWrite, 1, sessiontest.Fail)  // the next write is applied, and its reply lost
//	gate := sessiontest.NewGate()
//	f.Before(sessiontest.OpRead, -1, gate.Wait)        // all reads wait until gate.Open or the end of their context
//
// It forwards the optional capabilities of the inner Handler. Where that lacks one, its methods answer
// errors.ErrUnsupported, and Close has nothing to close. It is safe for concurrent use.
type Faulty struct {
	inner session.Handler

	mu     sync.Mutex
	calls  map[Op]int
	before map[Op][]disturbance
	after  map[Op][]disturbance
}

// disturbance is something to do in the next times calls, or in all if times is negative.
type disturbance struct {
	times int
	do    func(ctx context.Context) error
}

// NewFaulty wraps inner. Until Before or After is called, nothing is disturbed.
func NewFaulty(inner session.Handler) *Faulty {
	f := &Faulty{inner: inner, calls: make(map[Op]int)}
	f.Heal()
	return f
}

// Before runs do with the context of the next times calls of op, before the inner Handler sees them; a negative times
// means every call until Heal. If do returns an error, the call returns it and is not applied. What several calls of
// Before ask for takes its turn in that order: each call of op runs one do at most.
func (f *Faulty) Before(op Op, times int, do func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before[op] = append(f.before[op], disturbance{times, do})
}

// After runs do with the context of the next times calls of op that the inner Handler has answered, whatever it
// answered. If do returns an error, the call returns that, although the inner Handler has done its work. Else it is like
// Before.
func (f *Faulty) After(op Op, times int, do func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after[op] = append(f.after[op], disturbance{times, do})
}

// Heal forgets everything that Before and After have asked for. Calls that wait at a Gate go on waiting.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = make(map[Op][]disturbance), make(map[Op][]disturbance)
}

// Calls returns how many calls of op have begun, disturbed ones included.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Read implements session.Handler.
func (f *Faulty) Read(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = f.call(ctx, OpRead, func() error { rec, err = f.inner.Read(ctx, id); return err })
	if err != nil {
		return session.Record{}, err
	}
	return rec, nil
}

// Write implements session.Handler.
func (f *Faulty) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	return f.call(ctx, OpWrite, func() error { return f.inner.Write(ctx, id, rec, prev) })
}

// Destroy implements session.Handler.
func (f *Faulty) Destroy(ctx context.Context, id session.ID) error {
	return f.call(ctx, OpDestroy, func() error { return f.inner.Destroy(ctx, id) })
}

// GC implements session.Handler.
func (f *Faulty) GC(ctx context.Context, limit int) (removed int, err error) {
	err = f.call(ctx, OpGC, func() error { removed, err = f.inner.GC(ctx, limit); return err })
	return removed, err
}

// Touch implements session.Toucher.
func (f *Faulty) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	return f.call(ctx, OpTouch, func() error {
		if t, ok := f.inner.(session.Toucher); ok {
			return t.Touch(ctx, id, rec)
		}
		return fmt.Errorf("touch: %w", errors.ErrUnsupported)
	})
}

// ReadReplica implements session.ReplicaReader.
func (f *Faulty) ReadReplica(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = f.call(ctx, OpReadReplica, func() error {
		if r, ok := f.inner.(session.ReplicaReader); ok {
			rec, err = r.ReadReplica(ctx, id)
			return err
		}
		return fmt.Errorf("read replica: %w", errors.ErrUnsupported)
	})
	if err != nil {
		return session.Record{}, err
	}
	return rec, nil
}

// UseEnvelope implements session.Merger.
func (f *Faulty) UseEnvelope(e *session.Envelope) {
	if m, ok := f.inner.(session.Merger); ok {
		m.UseEnvelope(e)
	}
}

// Begin implements session.Incarnated.
func (f *Faulty) Begin(ctx context.Context, name string) error {
	return f.call(ctx, OpBegin, func() error {
		if i, ok := f.inner.(session.Incarnated); ok {
			return i.Begin(ctx, name)
		}
		return fmt.Errorf("begin: %w", errors.ErrUnsupported)
	})
}

// ReadSince implements session.Incarnated.
func (f *Faulty) ReadSince(ctx context.Context, name string, id session.ID) (rec session.Record, err error) {
	err = f.call(ctx, OpReadSince, func() error {
		if i, ok := f.inner.(session.Incarnated); ok {
			rec, err = i.ReadSince(ctx, name, id)
			return err
		}
		return fmt.Errorf("read since: %w", errors.ErrUnsupported)
	})
	if err != nil {
		return session.Record{}, err
	}
	return rec, nil
}

// Ping implements session.Pinger.
func (f *Faulty) Ping(ctx context.Context) error {
	return f.call(ctx, OpPing, func() error {
		if p, ok := f.inner.(session.Pinger); ok {
			return p.Ping(ctx)
		}
		return fmt.Errorf("ping: %w", errors.ErrUnsupported)
	})
}

// Acquire implements session.Locker.
func (f *Faulty) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	err = f.lock(ctx, OpAcquire, func(l session.Locker) error { lock, err = l.Acquire(ctx, id, ask); return err })
	if err != nil && !errors.Is(err, session.ErrLocked) {
		return session.Lock{}, err
	}
	return lock, err
}

// WriteRelease implements session.Locker.
func (f *Faulty) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	return f.lock(ctx, OpWriteRelease, func(l session.Locker) error { return l.WriteRelease(ctx, id, rec, prev, token) })
}

// Extend implements session.Locker.
func (f *Faulty) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	return f.lock(ctx, OpExtend, func(l session.Locker) error { return l.Extend(ctx, id, token, lease) })
}

// Release implements session.Locker.
func (f *Faulty) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	return f.lock(ctx, OpRelease, func(l session.Locker) error { return l.Release(ctx, id, token) })
}

// lock is call for the methods of session.Locker.
func (f *Faulty) lock(ctx context.Context, op Op, inner func(session.Locker) error) error {
	return f.call(ctx, op, func() error {
		if l, ok := f.inner.(session.Locker); ok {
			return inner(l)
		}
		return fmt.Errorf("%s: %w", op, errors.ErrUnsupported)
	})
}

// Close closes the inner Handler if it is an io.Closer.
func (f *Faulty) Close() error {
	return f.call(context.Background(), OpClose, func() error {
		if c, ok := f.inner.(io.Closer); ok {
			return c.Close()
		}
		return nil
	})
}

func (f *Faulty) call(ctx context.Context, op Op, inner func() error) error {
	f.mu.Lock()
	f.calls[op]++
	before := take(f.before, op)
	f.mu.Unlock()
	if err := before(ctx); err != nil {
		return err
	}
	err := inner()
	f.mu.Lock()
	after := take(f.after, op)
	f.mu.Unlock()
	if lost := after(ctx); lost != nil {
		return lost
	}
	return err
}

// take returns what to do in this call of op.
func take(planned map[Op][]disturbance, op Op) func(ctx context.Context) error {
	for queue := planned[op]; len(queue) > 0; queue = queue[1:] {
		planned[op] = queue
		if queue[0].times != 0 {
			queue[0].times--
			return queue[0].do
		}
	}
	return func(context.Context) error { return nil }
}
