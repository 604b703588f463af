package redisstore

import (
	"context"
	"sync"
	"time"
)

// early is a context with an earlier deadline. Like the budget of package session it makes no timer until somebody waits.
type early struct {
	context.Context
	end time.Time // zero for that of the Context

	mu     sync.Mutex
	real   context.Context
	cancel context.CancelFunc
}

// halfOf leaves half of the time to ask the master.
func halfOf(ctx context.Context) *early {
	e := &early{Context: ctx}
	if end, ok := ctx.Deadline(); ok {
		e.end = end.Add(-time.Until(end) / 2)
	}
	return e
}

func (e *early) Deadline() (time.Time, bool) { return e.end, !e.end.IsZero() }

func (e *early) Done() <-chan struct{} {
	if e.end.IsZero() {
		return e.Context.Done()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.real == nil {
		e.real, e.cancel = context.WithDeadline(e.Context, e.end)
	}
	return e.real.Done()
}

// Err is never nil when Done is closed, as by release: contexts that a client has derived would panic.
func (e *early) Err() error {
	if err := e.Context.Err(); err != nil || e.end.IsZero() {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.real != nil && e.real.Err() != nil {
		return e.real.Err()
	}
	if time.Now().Before(e.end) {
		return nil
	}
	return context.DeadlineExceeded
}

func (e *early) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel != nil {
		e.cancel()
	}
}
