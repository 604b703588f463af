package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// handingLocker is a store that hands locks over by Wake, for a second.
type handingLocker struct {
	countingLocker
	delay time.Duration // until the waiter sees it
}

func (h *handingLocker) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	lock, err := h.countingLocker.Acquire(ctx, id, ask)
	if lock.Wake == nil {
		return lock, err
	}
	wake, called := make(chan session.Lock, 1), lock.Wake
	lock.Wake, lock.Retry = wake, time.Hour
	go func() {
		<-called
		begin := time.Now()
		ask.Lease = time.Second
		handed, err := h.Handler.(session.Locker).Acquire(context.Background(), id, ask)
		handed.Expires = begin.Add(ask.Lease)
		time.Sleep(h.delay)
		if err == nil {
			wake <- handed
		}
	}()
	return lock, err
}

// handing is two nodes on one store, the second of which is handed its locks, and a visitor with count = 1.
func handing(t *testing.T, delay time.Duration) (h *handingLocker, first, second *visitor) {
	h = &handingLocker{countingLocker{newCounting()}, delay}
	first = newVisitor(t, newManager(t, shared{h.Handler}.locking(), session.Options{}))
	first.do(func(s *session.Session) { _ = count.Set(s, 1) })
	return h, first, first.on(newManager(t, h, session.Options{}))
}

func TestHandedLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, first, second := handing(t, 0)
		go first.do(func(s *session.Session) {
			time.Sleep(time.Second)
			_ = count.Set(s, count.Get(s)+1)
		}, session.Exclusive)
		synctest.Wait()
		h.take()
		status, err := second.ask(t.Context(), session.Exclusive, func(s *session.Session) {
			if n := count.Get(s); n != 2 {
				t.Errorf("count is %d, want 2, which the one before has stored", n)
			}
			_ = count.Set(s, count.Get(s)+1)
		})
		if got := h.take(); status != 200 || err != nil || len(got) != 2 || got["acquire"] != 1 || got["write-release"] != 1 {
			t.Errorf("status %d, error %v, calls %v; want one question and one WriteRelease", status, err, got)
		}
		first.do(func(s *session.Session) {
			if n := count.Get(s); n != 3 {
				t.Errorf("count is %d, want 3", n)
			}
		})
	})
}

// The lease of a lock that was handed over is short, so the first renewal comes early, and gives a whole one.
func TestHandedLockIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, first, second := handing(t, 0)
		first.busy(time.Second)
		var got error
		_, err := second.ask(t.Context(), session.Exclusive, func(s *session.Session) {
			h.take()
			time.Sleep(500 * time.Millisecond)
			if n := h.take()["extend"]; n != 1 {
				t.Errorf("%d renewals in 500 ms of a second, want 1", n)
			}
			_, got = first.ask(t.Context(), session.Exclusive.MaxWait(20*time.Second), func(*session.Session) {})
			select {
			case <-s.LockLost():
				t.Error("the lock was lost")
			default:
			}
		})
		if err != nil || !errors.Is(got, session.ErrLocked) {
			t.Errorf("Get: %v; of the other one: %v, want %v", err, got, session.ErrLocked)
		}
	})
}

// A lock that was handed over is kept for as long as one that was asked for, also if MaxHold leaves no room for a renewal.
func TestHandedLockHasAWholeLease(t *testing.T) {
	t.Parallel()
	for _, maxHold := range []time.Duration{time.Second, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			h, first, _ := handing(t, 0)
			second := first.on(newManager(t, h, session.Options{Lock: session.LockOptions{MaxHold: maxHold}}))
			first.busy(time.Second)
			var got error
			status, err := second.ask(t.Context(), session.Exclusive, func(s *session.Session) {
				_, got = first.ask(t.Context(), session.Exclusive.MaxWait(4*time.Second), func(*session.Session) {})
				_ = count.Set(s, 2)
			})
			if err != nil || status != 200 || !errors.Is(got, session.ErrLocked) {
				t.Errorf("MaxHold %v: status %d, error %v; of one who wants the lock within the lease: %v, want %v", maxHold, status, err, got, session.ErrLocked)
			}
		})
	}
}

// A process was stopped when it was handed the lock, and goes on after the end of the lease: it does not begin to work
// before it has asked.
func TestHandedLockTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, first, second := handing(t, 3*time.Second)
		first.busy(100 * time.Millisecond)
		working := false
		time.AfterFunc(1500*time.Millisecond, func() { // takes over what was handed to one who does not move
			first.do(func(*session.Session) {
				working = true
				time.Sleep(2 * time.Second)
				working = false
			}, session.Exclusive)
		})
		_, err := second.ask(t.Context(), session.Exclusive.MaxWait(time.Minute), func(*session.Session) {
			if working {
				t.Error("two work at once")
			}
		})
		if got := h.take()["acquire"]; err != nil || got < 2 {
			t.Errorf("error %v after %d questions, want at least 2", err, got)
		}
	})
}
