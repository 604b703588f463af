package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// faultyLocker is a store whose lock calls can be disturbed.
type faultyLocker struct {
	countingLocker
	mu      sync.Mutex
	disturb map[string]func(call func() error) error
}

func newFaultyLocker() *faultyLocker {
	return &faultyLocker{countingLocker: countingLocker{newCounting()}, disturb: make(map[string]func(func() error) error)}
}

// on has do make the next calls of op; nil ends that.
func (f *faultyLocker) on(op string, do func(call func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disturb[op] = do
}

func (f *faultyLocker) do(op string, call func() error) error {
	f.mu.Lock()
	do := f.disturb[op]
	f.mu.Unlock()
	if do == nil {
		return call()
	}
	return do(call)
}

func (f *faultyLocker) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	err = f.do("acquire", func() (err error) {
		lock, err = f.countingLocker.Acquire(ctx, id, ask)
		return err
	})
	return lock, err
}

func (f *faultyLocker) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	return f.do("write-release", func() error { return f.countingLocker.WriteRelease(ctx, id, rec, prev, token) })
}

func (f *faultyLocker) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	return f.do("extend", func() error { return f.countingLocker.Extend(ctx, id, token, lease) })
}

// unavailable does not make the call.
func unavailable(func() error) error { return fmt.Errorf("%w: a test", session.ErrUnavailable) }

// lost makes the call and loses the reply.
func lost(call func() error) error { _ = call(); return unavailable(nil) }

// pair is two nodes on one store, the first of them through faults, and a visitor with count = 1.
func pair(t *testing.T, o session.Options) (f *faultyLocker, first, second *visitor) {
	f = newFaultyLocker()
	first = newVisitor(t, newManager(t, f, o))
	first.do(func(s *session.Session) { _ = count.Set(s, 1) })
	second = first.on(newManager(t, shared{f.Handler}.locking(), session.Options{
		Observer: session.Silent{}, Lock: session.LockOptions{MaxHold: time.Second}, // never renewed
	}))
	return f, first, second
}

func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, v, other := pair(t, session.Options{})
		var got error
		var wg sync.WaitGroup
		f.take()
		v.do(func(s *session.Session) {
			wg.Go(func() {
				_, got = other.ask(t.Context(), session.Exclusive.MaxWait(28*time.Second), func(*session.Session) {})
			})
			time.Sleep(30 * time.Second)
			select {
			case <-s.LockLost():
				t.Error("the lock was lost")
			default:
			}
			_ = count.Set(s, 2)
		}, session.Exclusive)
		wg.Wait()
		if !errors.Is(got, session.ErrLocked) {
			t.Errorf("another request got the session during 30 s: %v", got)
		}
		if n := f.take()["extend"]; n < 16 || n > 20 { // each third of 5 s, give or take a tenth
			t.Errorf("%d renewals in 30 s", n)
		}
		time.Sleep(time.Minute)
		if n := f.take()["extend"]; n > 0 {
			t.Errorf("%d renewals after the request", n)
		}
	})
}

func TestShortRequestsDoNotRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, v, _ := pair(t, session.Options{})
		v.do(func(*session.Session) { time.Sleep(1490 * time.Millisecond) }, session.Exclusive)
		if n := f.take()["extend"]; n > 0 {
			t.Errorf("%d renewals of a request of 1.49 s", n)
		}
	})
}

func TestRenewalEndsAtMaxHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := new(recorder)
		_, v, other := pair(t, session.Options{Observer: rec, Lock: session.LockOptions{MaxHold: 20 * time.Second}})
		begin := time.Now()
		var wg sync.WaitGroup
		res := v.do(func(s *session.Session) {
			wg.Go(func() {
				_, err := other.ask(t.Context(), session.Exclusive.MaxWait(time.Hour), func(s *session.Session) { _ = count.Set(s, 7) })
				if d := time.Since(begin); err != nil || d < 15*time.Second || d > 21*time.Second {
					t.Errorf("a holder that never ends kept the session for %v, error %v", d, err)
				}
			})
			time.Sleep(time.Hour)
			_ = count.Set(s, 2)
		}, session.Exclusive)
		wg.Wait()
		if res.StatusCode != http.StatusServiceUnavailable || rec.count(session.EventLockLost) != 1 {
			t.Errorf("status %d, %d events", res.StatusCode, rec.count(session.EventLockLost))
		}
		v.do(func(s *session.Session) {
			if n := count.Get(s); n != 7 {
				t.Errorf("count = %d: a former holder has written", n)
			}
		})
	})
}

// A holder whose process was stopped is refused, if somebody took its lock, and writes, if nobody did.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			rec := new(recorder)
			f, v, other := pair(t, session.Options{Observer: rec})
			f.on("extend", unavailable) // a stopped process does not renew
			res := v.do(func(s *session.Session) {
				gone := s.LockLost()
				time.Sleep(5001 * time.Millisecond)
				select {
				case <-gone:
				default:
					t.Error("LockLost does not tell that the lease is over")
				}
				if taken {
					if _, err := other.ask(t.Context(), session.Exclusive, func(s *session.Session) { _ = count.Set(s, 7) }); err != nil {
						t.Error(err)
					}
				}
				_ = count.Set(s, 2)
				_, _ = s.Names(), user.Set(s, "late")
			}, session.Exclusive)
			want, status := 2, http.StatusOK
			if taken {
				want, status = 7, http.StatusServiceUnavailable
			}
			f.on("extend", nil)
			v.do(func(s *session.Session) {
				if n := count.Get(s); n != want || res.StatusCode != status || taken == (user.Get(s) != "") {
					t.Errorf("taken %v: count = %d, user = %q, status %d", taken, n, user.Get(s), res.StatusCode)
				}
			})
			if n := rec.count(session.EventLockLost); n == 0 {
				t.Error("nobody observed that the lock was lost")
			}
		})
	}
}

func TestBrokenLockIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := new(recorder)
		store := memstore.New(nil)
		dead := newManager(t, shared{store}.locking(), session.Options{Lock: session.LockOptions{Node: "dead", MaxHold: 1}})
		v := newVisitor(t, dead)
		v.do(func(s *session.Session) { _ = count.Set(s, 1) })
		v.busy(20 * time.Second) // never renewed, as if the process had died
		next := newManager(t, shared{store}.locking(), session.Options{Observer: rec})
		begin := time.Now()
		if _, err := v.on(next).ask(t.Context(), session.Exclusive.MaxWait(time.Minute), func(*session.Session) {}); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d < 4*time.Second || d > 5300*time.Millisecond {
			t.Errorf("the lock of a dead holder was free after %v, its lease is 5 s", d)
		}
		rec.mu.Lock()
		var holder session.Holder
		for _, e := range rec.events {
			if e.Kind == session.EventLockBroken {
				holder = e.Holder
			}
		}
		rec.mu.Unlock()
		if holder.Node != "dead" || holder.Path != "/" {
			t.Errorf("the broken lock was that of %+v", holder)
		}
		time.Sleep(20 * time.Second)
	})
}

func TestLostRepliesOfLocks(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"acquire", "write-release"} {
		synctest.Test(t, func(t *testing.T) {
			f, v, _ := pair(t, session.Options{})
			var n atomic.Int32
			f.on(op, func(call func() error) error {
				if n.Add(1)%2 == 1 {
					return lost(call)
				}
				return call()
			})
			for i := range 10 {
				status, err := v.ask(t.Context(), session.Exclusive, func(s *session.Session) { _ = count.Set(s, count.Get(s)+1) })
				if status != http.StatusOK {
					t.Fatalf("%s %d: status %d, error %v", op, i, status, err)
				}
			}
			v.do(func(s *session.Session) {
				if n := count.Get(s); n != 11 {
					t.Errorf("%s: count = %d", op, n)
				}
			})
		})
	}
}

// A lock that was taken by a call without a reply is given back, so that nobody waits for the end of its lease.
func TestUnknownLocksAreReleased(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"acquire", "write-release"} {
		synctest.Test(t, func(t *testing.T) {
			f, v, other := pair(t, session.Options{})
			f.on(op, lost)
			status, _ := v.ask(t.Context(), session.Exclusive, func(s *session.Session) { _ = count.Set(s, 2) })
			if status != http.StatusServiceUnavailable {
				t.Errorf("%s without a reply: status %d", op, status)
			}
			f.on(op, unavailable)
			status, _ = v.ask(t.Context(), session.Exclusive, func(s *session.Session) { _ = count.Set(s, 3) })
			if status != http.StatusServiceUnavailable {
				t.Errorf("%s not made: status %d", op, status)
			}
			synctest.Wait()
			begin := time.Now()
			if _, err := other.ask(t.Context(), session.Exclusive, func(*session.Session) {}); err != nil || time.Since(begin) > 0 {
				t.Errorf("%s: the next request waited for %v, error %v", op, time.Since(begin), err)
			}
			f.on(op, nil)
			if _, err := v.ask(t.Context(), session.Exclusive, func(*session.Session) {}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is logged of locks shows who had them, and nothing that logs anybody in.
func TestLocksLeakNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		rec := new(recorder)
		observer := both{rec, session.SlogObserver{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}}
		f, v, other := pair(t, session.Options{Observer: observer})
		f.on("extend", unavailable)
		v.do(func(s *session.Session) {
			_, _ = v.ask(t.Context(), session.Exclusive.MaxWait(0), func(*session.Session) {})
			time.Sleep(6 * time.Second)
			_, _ = other.ask(t.Context(), session.Exclusive, func(*session.Session) { time.Sleep(6 * time.Second) })
			_ = user.Set(s, secret)
		}, session.Exclusive)
		_, token, _ := strings.Cut(v.cookie, "=")
		locked := make(chan struct{})
		go other.do(func(*session.Session) { close(locked); time.Sleep(time.Minute) }, session.Exclusive) // never renews: MaxHold
		<-locked
		_, _ = v.ask(t.Context(), session.Exclusive.MaxWait(time.Minute), func(*session.Session) {})
		time.Sleep(time.Minute)
		for k := session.EventLocked; k <= session.EventLockLost; k++ {
			if rec.count(k) == 0 {
				t.Errorf("%v did not happen", k)
			}
		}
		id, _ := session.ParseToken(token)
		for _, form := range append(idForms(id), token[:10], secret) {
			if strings.Contains(log.String(), form) {
				t.Errorf("the log holds %q:\n%s", form, &log)
			}
		}
		if !strings.Contains(log.String(), `held by GET \"/\" on node`) {
			t.Errorf("the log does not show the holder:\n%s", &log)
		}
	})
}
