package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// watched calls see with the context of each Read and Write.
type watched struct {
	session.Handler
	see func(ctx context.Context)
}

func (w watched) Read(ctx context.Context, id session.ID) (session.Record, error) {
	w.see(ctx)
	return w.Handler.Read(ctx, id)
}

func (w watched) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	w.see(ctx)
	return w.Handler.Write(ctx, id, rec, prev)
}

// known returns a visitor with a session, whose store calls see.
func known(t *testing.T, see func(ctx context.Context)) *visitor {
	store := memstore.New(nil)
	v := newVisitor(t, newManager(t, shared{store}, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	return v.on(newManager(t, watched{store, see}, session.Options{}))
}

type contextKey struct{}

// TestCallsHaveAContext holds what a store gets to the contract of context.Context, until its time is over.
func TestCallsHaveAContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		parent, hangUp := context.WithTimeout(context.WithValue(t.Context(), contextKey{}, "value"), time.Hour)
		known(t, func(ctx context.Context) {
			if end, ok := ctx.Deadline(); !ok || end.Sub(begin) != 400*time.Millisecond {
				t.Errorf("the deadline is %v, %v, want 400ms", end.Sub(begin), ok)
			}
			if ctx.Value(contextKey{}) != "value" {
				t.Error("the values of the request are not there")
			}
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			sooner, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			later, cancel := context.WithTimeout(child, time.Minute)
			defer cancel()
			ran := make(chan time.Duration, 2)
			context.AfterFunc(ctx, func() { ran <- time.Since(begin) })
			stop := context.AfterFunc(ctx, func() { ran <- 0 })
			if !stop() || stop() {
				t.Error("a function cannot be stopped once")
			}
			hangUp()
			<-sooner.Done()
			if took := time.Since(begin); took != 100*time.Millisecond || ctx.Err() != nil || child.Err() != nil {
				t.Errorf("after %v: errors %v and %v, want none", took, ctx.Err(), child.Err())
			}
			<-ctx.Done()
			if took := <-ran; took != 400*time.Millisecond || time.Since(begin) != took || len(ran) > 0 {
				t.Errorf("it ended after %v, its function ran after %v", time.Since(begin), took)
			}
			for _, c := range []context.Context{ctx, child, sooner, later} {
				<-c.Done()
				if !errors.Is(c.Err(), context.DeadlineExceeded) {
					t.Errorf("error %v, want %v", c.Err(), context.DeadlineExceeded)
				}
			}
			<-ctx.Done() // again
			late, cancel := context.WithCancel(ctx)
			defer cancel()
			if late.Err() == nil {
				t.Error("a child of what has ended lives")
			}
		}).serve(parent, func(_ http.ResponseWriter, r *http.Request) {
			if _, err := session.Get(r.Context()); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get = %v", err)
			}
		})
	})
}

func TestCallsEndWithTheDeadlineOfTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		parent, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := known(t, func(ctx context.Context) { <-ctx.Done() }).ask(parent, session.Optimistic, func(*session.Session) {})
		if took := time.Since(begin); took != 50*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestNobodyIsThere says that nothing is asked of the store for a visitor who has hung up before.
func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	store := memstore.New(nil)
	v := newVisitor(t, newManager(t, shared{store}, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	for _, mode := range []session.Mode{session.Optimistic, session.ReadOnly, session.Exclusive} {
		heard, asked := new(recorder), 0
		see := func(context.Context) { asked++ }
		v := v.on(newManager(t, watchedLocker{watched{store, see}, store}, session.Options{Observer: heard}))
		_, err := v.ask(gone, mode, func(*session.Session) { t.Error("it got the session") })
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("mode %v: error %v, want %v", mode, err, context.Canceled)
		}
		if asked > 0 || heard.count(session.EventFailed) > 0 {
			t.Errorf("mode %v: %d calls, %d failures", mode, asked, heard.count(session.EventFailed))
		}
		if _, err := v.ask(t.Context(), mode, func(*session.Session) {}); err != nil || asked != 1 {
			t.Errorf("mode %v: %d calls for somebody who is there, error %v", mode, asked, err)
		}
	}
}

// watchedLocker calls see with the context of each Acquire too.
type watchedLocker struct {
	watched
	session.Locker
}

func (w watchedLocker) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	w.see(ctx)
	return w.Locker.Acquire(ctx, id, ask)
}

// TestStragglers has a store that leaves goroutines behind, as client libraries do, which use the context of a call that is
// over while the next calls take over what it had. It is for the race detector, and for package context, which panics
// if a context that is done has no error.
func TestStragglers(t *testing.T) {
	t.Parallel()
	var left sync.WaitGroup
	v := known(t, func(ctx context.Context) {
		done, over := ctx.Done(), make(chan struct{})
		child, cancel := context.WithCancel(ctx)
		left.Go(func() {
			defer cancel()
			for range 20 {
				_, _ = ctx.Deadline()
				_ = ctx.Value(contextKey{})
				derived, cancel := context.WithTimeout(ctx, time.Minute)
				select {
				case <-ctx.Done():
					if ctx.Err() == nil {
						t.Error("a call is over without an error")
					}
				case <-over:
				default:
				}
				_, _ = derived.Err(), child.Err()
				cancel()
				time.Sleep(time.Millisecond)
			}
			select {
			case <-done: // perhaps of another call
			case <-time.After(time.Millisecond):
			}
			if ctx.Err() == nil {
				t.Error("a call that is over has no error")
			}
		})
	})
	var visitors sync.WaitGroup
	for range 4 {
		visitors.Go(func() {
			for i := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
				_, _ = v.ask(ctx, session.Optimistic, func(s *session.Session) { add(s, 1) })
				cancel()
			}
		})
	}
	visitors.Wait()
	left.Wait()
}

// slow is a Locker whose Acquire takes its time and does not look at its context, as a command in flight.
type slow struct {
	session.Handler
	session.Locker
	takes time.Duration
}

func (s slow) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	time.Sleep(s.takes)
	return s.Locker.Acquire(ctx, id, ask)
}

// TestHangUpWhileTheLockIsAskedFor says that the wait for a lock ends after the call that is under way.
func TestHangUpWhileTheLockIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		v := newVisitor(t, newManager(t, shared{store}.locking(), session.Options{}))
		v.do(func(s *session.Session) { _ = count.Set(s, 0) })
		v.busy(time.Minute)
		other := v.on(newManager(t, slow{shared{store}, store, 300 * time.Millisecond}, session.Options{}))
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, hangUp)
		begin := time.Now()
		_, err := other.ask(ctx, session.Exclusive, func(*session.Session) { t.Error("it got the session") })
		if !errors.Is(err, session.ErrLocked) || !errors.Is(err, context.Canceled) || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		time.Sleep(time.Hour)
	})
}
