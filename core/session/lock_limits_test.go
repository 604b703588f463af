package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func TestLockLimits(t *testing.T) {
	t.Parallel()
	type test struct {
		name    string
		o       session.LockOptions
		mode    session.Mode
		waiting int // others, before
		wait    time.Duration
		err     string // empty: it gets the session, as ReadOnly if readOnly is set
		mayRead bool
	}
	const hold = 3 * time.Second
	waited, many := "waited for as long", "requests of this node wait"
	for _, test := range []test{
		{"default", session.LockOptions{}, session.Exclusive, 0, hold, "", false},
		{"as many as may", session.LockOptions{MaxWaiters: 3}, session.Exclusive, 2, hold, "", false},
		{"one too many", session.LockOptions{MaxWaiters: 3}, session.Exclusive, 3, 0, "3 " + many, false},
		{"default number", session.LockOptions{}, session.Exclusive, 32, 0, "32 " + many, false},
		{"own number", session.LockOptions{MaxWaiters: 9}, session.Exclusive.MaxWaiters(2), 2, 0, "2 " + many, false},
		{"own higher number", session.LockOptions{MaxWaiters: 2}, session.Exclusive.MaxWaiters(9), 2, hold, "", false},
		{"none may wait", session.LockOptions{MaxWaiters: -1}, session.Exclusive, 0, 0, waited, false},
		{"no waiting here", session.LockOptions{}, session.Exclusive.MaxWaiters(0), 0, 0, waited, false},
		{"short", session.LockOptions{MaxWait: time.Second}, session.Exclusive, 0, time.Second, waited, false},
		{"own short", session.LockOptions{}, session.Exclusive.MaxWait(time.Second), 0, time.Second, waited, false},
		{"own long", session.LockOptions{MaxWait: time.Second}, session.Exclusive.MaxWait(time.Minute), 0, hold, "", false},
		{"only a try", session.LockOptions{}, session.Exclusive.MaxWait(0), 0, 0, waited, false},
		{"never waits", session.LockOptions{MaxWait: -1}, session.Exclusive, 0, 0, waited, false},
		{"or read-only", session.LockOptions{MaxWait: time.Second}, session.Exclusive.OrReadOnly(), 0, time.Second, "", true},
		{"or read-only, a try", session.LockOptions{}, session.Exclusive.MaxWait(0).OrReadOnly(), 0, 0, "", true},
		{"policy", session.LockOptions{MaxWait: time.Second, OrReadOnly: true}, session.Exclusive, 0, time.Second, "", true},
		{"policy, too many", session.LockOptions{MaxWaiters: 1, OrReadOnly: true}, session.Exclusive, 1, 0, "1 " + many, false},
	} {
		for _, where := range []string{"same node", "other node"} {
			if test.waiting > 0 && where == "other node" || strings.Contains(test.err, many) && where == "other node" {
				continue // those who wait are counted where they wait
			}
			t.Run(test.name+", "+where, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					managers, v := nodes(t, 2, session.Options{Lock: test.o})
					holder, asker := v, v
					if where == "other node" {
						asker = v.on(managers[1])
					}
					holder.busy(hold)
					var wg sync.WaitGroup
					for range test.waiting {
						wg.Go(func() { _, _ = asker.ask(t.Context(), session.Exclusive.MaxWaiters(99), func(*session.Session) {}) })
					}
					synctest.Wait()
					begin := time.Now()
					status, err := asker.ask(t.Context(), test.mode, func(s *session.Session) {
						if readOnly := s.Mode() == session.ReadOnly; readOnly != test.mayRead {
							t.Errorf("got the session as %v", s.Mode())
						}
						if n := count.Get(s); (n == 0) != test.mayRead {
							t.Errorf("count = %d", n)
						}
					})
					if took := time.Since(begin); took != test.wait {
						t.Errorf("waited for %v, want %v", took, test.wait)
					}
					if test.err == "" {
						if err != nil || status != http.StatusOK {
							t.Errorf("status %d, error %v", status, err)
						}
					} else if status != http.StatusServiceUnavailable || !errors.Is(err, session.ErrLocked) || !strings.Contains(err.Error(), test.err) {
						t.Errorf("status %d, error %v, want 503 and %q", status, err, test.err)
					}
					wg.Wait()
					time.Sleep(hold)
				})
			})
		}
	}
}

func TestLockedAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, v := nodes(t, 1, session.Options{})
		v.busy(time.Second)
		res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			_, err := session.Get(r.Context(), session.Exclusive.MaxWait(0))
			v.m.Fail(w, err)
		})
		body := make([]byte, 200)
		n, _ := res.Body.Read(body)
		if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || string(body[:n]) != "Service Unavailable: the session is in use by another request, please try again\n" {
			t.Errorf("%d %v %q", res.StatusCode, res.Header, body[:n])
		}
		time.Sleep(time.Second)
	})
}

// Who does not wait at all, for want of time or of company, is answered alike on the node of the holder and on others.
func TestNoWaitIsTheSameOnAllNodes(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]session.Mode{"MaxWait": session.Exclusive.MaxWait(0), "MaxWaiters": session.Exclusive.MaxWaiters(0)} {
		synctest.Test(t, func(t *testing.T) {
			managers, v := nodes(t, 2, session.Options{Observer: session.Silent{}})
			v.busy(time.Second)
			for i, m := range managers {
				if _, err := v.on(m).ask(t.Context(), mode, func(*session.Session) {}); !errors.Is(err, session.ErrLocked) {
					t.Errorf("%s, node %d: got error %v, want %v", name, i, err, session.ErrLocked)
				}
				_, err := v.on(m).ask(t.Context(), mode.OrReadOnly(), func(s *session.Session) {
					if s.Mode() != session.ReadOnly {
						t.Errorf("%s, node %d: the mode is %v", name, i, s.Mode())
					}
				})
				if err != nil {
					t.Errorf("%s, node %d, OrReadOnly: %v", name, i, err)
				}
			}
			time.Sleep(time.Second)
		})
	}
}

// A handler that has tried for the lock in vain can still show the session, whether or not something before it, such as a
// middleware, has looked at that already.
func TestTryAndGoOn(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, v := nodes(t, 1, session.Options{Observer: session.Silent{}})
			v.busy(time.Second)
			res := v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
				if before {
					_, _ = session.Get(r.Context())
				}
				for range 2 {
					if s, err := session.Get(r.Context(), session.Exclusive.MaxWait(0)); s != nil || !errors.Is(err, session.ErrLocked) {
						t.Errorf("before %v: a try for a session that is locked: %v", before, err)
					}
				}
				s, err := session.Get(r.Context(), session.ReadOnly)
				if err != nil {
					t.Errorf("before %v: ReadOnly after a try: %v", before, err)
				} else if s.IsNew() {
					t.Errorf("before %v: another session", before)
				}
			})
			if res.StatusCode != http.StatusOK {
				t.Errorf("before %v: status %d", before, res.StatusCode)
			}
			time.Sleep(time.Second)
		})
	}
}

// Requests that are cancelled leave the queue, wherever they wait, and keep nobody.
func TestCancelledWaitersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		managers, v := nodes(t, 2, session.Options{Lock: session.LockOptions{MaxWaiters: 3}})
		v.busy(3 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				begin := time.Now()
				_, err := v.on(managers[i%2]).ask(ctx, session.Exclusive, func(*session.Session) { t.Error("a cancelled request got the session") })
				if !errors.Is(err, session.ErrLocked) || !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		}
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		var served atomic.Int32
		begin := time.Now()
		for i := range 6 {
			wg.Go(func() {
				_, err := v.on(managers[i%2]).ask(t.Context(), session.Exclusive, func(*session.Session) { served.Add(1) })
				if err != nil || time.Since(begin) != 2*time.Second {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		}
		wg.Wait()
		if served.Load() != 6 {
			t.Errorf("%d of 6 were served", served.Load())
		}
	})
}

// Those who are too many are refused at once and cost no store call.
func TestRefusedWaitersCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		m := newManager(t, countingLocker{store}, session.Options{})
		v := newVisitor(t, m)
		v.do(func(s *session.Session) { _ = count.Set(s, 0) })
		v.busy(3 * time.Second)
		store.take()
		var refused atomic.Int32
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, err := v.ask(t.Context(), session.Exclusive, func(*session.Session) {}); errors.Is(err, session.ErrLocked) {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if calls := store.take(); len(calls) > 0 || refused.Load() != 1000-32 {
			t.Errorf("%d of 1000 were refused, calls %v", refused.Load(), calls)
		}
		wg.Wait()
	})
}

func TestModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[session.Mode]string{
		session.Optimistic: "optimistic", session.ReadOnly: "read-only", session.Exclusive: "exclusive",
		session.Exclusive.MaxWait(time.Hour).MaxWaiters(1 << 20).OrReadOnly():            "exclusive",
		session.Exclusive.MaxWait(-time.Hour).MaxWaiters(-1).MaxWait(1 << 62).MaxWait(0): "exclusive",
		3: "",
	} {
		if fmt.Sprint(mode) != want {
			t.Errorf("%x is called %q, want %q", uint64(mode), mode, want)
		}
	}
}
