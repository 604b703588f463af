package session

import (
	"context"
	"sync"
	"time"
)

// budget is a context with a deadline, and without the timer, channel and closures that context.WithTimeout needs, until
// somebody waits on Done. Most store calls only look at Deadline or Err, and there is one call in most requests.
type budget struct {
	parent   context.Context
	end      time.Time
	detached bool // the parent gives values only: its end is not ours

	mu     sync.Mutex
	real   context.Context
	cancel context.CancelFunc
}

// start makes b end after d, or with parent unless it is detached. It may be started again when no call uses it any more.
func (b *budget) start(parent context.Context, d time.Duration, detached bool) {
	b.release()
	b.real, b.cancel = nil, nil
	b.parent, b.end, b.detached = parent, time.Now().Add(d), detached
	if end, ok := parent.Deadline(); ok && !detached && end.Before(b.end) {
		b.end = end
	}
}

// release frees what Done has made. No call may use b after it.
func (b *budget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

func (b *budget) Deadline() (time.Time, bool) { return b.end, true }

func (b *budget) Value(key any) any { return b.parent.Value(key) }

func (b *budget) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.real == nil {
		parent := b.parent
		if b.detached {
			parent = context.WithoutCancel(parent)
		}
		b.real, b.cancel = context.WithDeadline(parent, b.end)
	}
	return b.real.Done()
}

func (b *budget) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.real != nil {
		return b.real.Err()
	}
	if !b.detached {
		if err := b.parent.Err(); err != nil {
			return err
		}
	}
	if !time.Now().Before(b.end) {
		return context.DeadlineExceeded
	}
	return nil
}
