package redigo

import (
	"context"
	"sync"
	"time"
)

// lookPause is the time from one look around to the next: who asks in between has seen nothing newer.
const lookPause = 100 * time.Millisecond

// lookout finds out in the background where the servers are by now, once at a time.
type lookout struct {
	look    func(ctx context.Context)
	timeout time.Duration // of one look

	mu              sync.Mutex
	looking, closed bool
	done            chan struct{} // closed by close
	tasks           sync.WaitGroup
}

func newLookout(timeout time.Duration, look func(ctx context.Context)) *lookout {
	return &lookout{look: look, timeout: timeout, done: make(chan struct{})}
}

// around begins to look, unless that is going on or was a moment ago.
func (l *lookout) around() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looking || l.closed {
		return
	}
	l.looking = true
	l.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
		defer cancel()
		l.look(ctx)
		select {
		case <-time.After(lookPause):
		case <-l.done:
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.looking = false
	})
}

// close waits for a look that is going on. None begins after it.
func (l *lookout) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	close(l.done)
	l.tasks.Wait()
}
