package session

import (
	"context"
	"sync"
	"time"
)

// budget is the context of a store call and of its repeat. It ends at its time and not before, whatever happens to the
// request: the parent gives the values and an earlier deadline, and is looked at once, when the budget starts.
//
// It makes nothing until somebody waits on Done, since most calls only look at Deadline or Err; what Done takes is used
// again by other budgets; and what is derived from a budget needs no goroutine, because of AfterFunc. A goroutine that a
// client library leaves behind may ask it for anything when the call is over.
type budget struct {
	parent context.Context
	end    time.Time // never zero after start
	err    error     // the parent's, if it had ended before the call began
	alarms *sync.Pool

	mu    sync.Mutex
	alarm *alarm
	over  bool
}

// alarm is a channel and the timer that closes it.
type alarm struct {
	done  chan struct{}
	timer *time.Timer
}

// start makes b end after d. The parent gives values only if it is detached. A budget that was in use already stays as it
// is, for those who may look at it yet, and another one is returned.
func (b *budget) start(parent context.Context, m *Manager, d time.Duration, detached bool) *budget {
	if !b.end.IsZero() {
		b = new(budget)
	}
	now := time.Now()
	b.parent, b.end, b.alarms = parent, now.Add(d), &m.alarms
	if detached {
		return b
	}
	b.err = parent.Err()
	if end, ok := parent.Deadline(); ok && end.Before(b.end) {
		b.end = now.Add(end.Sub(now)) // by the clock that timers have
	}
	return b
}

// release ends b when its call is over, and gives back what Done has taken. Nobody is woken by it: whoever waits on the
// channel yet sees the end of another call, at worst, and that this one is over.
func (b *budget) release() {
	if b.end.IsZero() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.alarm != nil && b.alarm.timer != nil && b.alarm.timer.Stop() { // else its channel is closed, or about to be
		b.alarms.Put(b.alarm)
		b.alarm = nil
	}
}

func (b *budget) Deadline() (time.Time, bool) { return b.end, true }

func (b *budget) Value(key any) any { return b.parent.Value(key) }

func (b *budget) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alarm != nil {
		return b.alarm.done
	}
	left := time.Until(b.end)
	if b.over || b.err != nil || left <= 0 {
		b.alarm = &alarm{done: make(chan struct{})}
		close(b.alarm.done)
		return b.alarm.done
	}
	if a, ok := b.alarms.Get().(*alarm); ok {
		b.alarm = a
		a.timer.Reset(left)
	} else {
		b.alarm = newAlarm(left)
	}
	return b.alarm.done
}

func newAlarm(d time.Duration) *alarm {
	a := &alarm{done: make(chan struct{})}
	a.timer = time.AfterFunc(d, func() { close(a.done) })
	return a
}

func (b *budget) Err() error {
	if b.err != nil {
		return b.err
	}
	if !time.Now().Before(b.end) {
		return context.DeadlineExceeded
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return context.Canceled
	}
	return nil
}

// AfterFunc runs f when b ends by itself, unless it is stopped before. Package context looks for this method.
func (b *budget) AfterFunc(f func()) (stop func() bool) {
	var left time.Duration
	if b.err == nil {
		left = time.Until(b.end)
	}
	return time.AfterFunc(left, f).Stop
}
