package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// nodes returns n Managers on one store, and a visitor whose session holds count = 0.
func nodes(t *testing.T, n int, o session.Options) ([]*session.Manager, *visitor) {
	t.Helper()
	store := memstore.New(nil)
	managers := make([]*session.Manager, n)
	for i := range managers {
		o := o
		o.Lock.Node = "node-" + strconv.Itoa(i)
		managers[i] = newManager(t, shared{store}.locking(), o)
	}
	v := newVisitor(t, managers[0])
	v.do(func(s *session.Session) { _ = count.Set(s, 0) })
	return managers, v
}

// locking returns a Handler that can lock, and that a Manager does not close.
func (s shared) locking() session.Handler {
	return struct {
		session.Handler
		session.Locker
	}{s.Handler, s.Handler.(session.Locker)}
}

// ask sends a request whose handler gets the session with the mode, and returns the status and the error of Get.
func (v *visitor) ask(ctx context.Context, mode session.Mode, use func(*session.Session)) (status int, err error) {
	res := v.serve(ctx, func(w http.ResponseWriter, r *http.Request) {
		var s *session.Session
		if s, err = session.Get(r.Context(), mode); err != nil {
			v.m.Fail(w, err)
			return
		}
		use(s)
	})
	return res.StatusCode, err
}

// busy has a request hold the session for d, and returns when it has it.
func (v *visitor) busy(d time.Duration) {
	locked := make(chan struct{})
	go v.do(func(s *session.Session) {
		close(locked)
		time.Sleep(d)
		_ = count.Set(s, 1000)
	}, session.Exclusive)
	<-locked
}

func TestExclusiveRequestsRunOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		managers, v := nodes(t, 4, session.Options{})
		var inside, overlaps atomic.Int32
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				status, err := v.on(managers[i%4]).ask(t.Context(), session.Exclusive, func(s *session.Session) {
					if inside.Add(1) > 1 {
						overlaps.Add(1)
					}
					n := count.Get(s)
					time.Sleep(5 * time.Millisecond)
					_ = count.Set(s, n+1) // blind: only the lock protects it
					inside.Add(-1)
				})
				if err != nil || status != http.StatusOK {
					t.Errorf("request %d: status %d, error %v", i, status, err)
				}
			})
		}
		wg.Wait()
		v.do(func(s *session.Session) {
			if n := count.Get(s); n != 40 || overlaps.Load() > 0 {
				t.Errorf("count = %d after 40 requests, %d of them overlapped", n, overlaps.Load())
			}
		})
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, v := nodes(t, 1, session.Options{})
		v.busy(time.Second)
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			time.Sleep(time.Millisecond)
			wg.Go(func() {
				_, _ = v.ask(t.Context(), session.Exclusive, func(*session.Session) { order = append(order, i) })
			})
		}
		wg.Wait()
		if len(order) != 20 || !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestExclusiveCosts(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, countingLocker{store}, session.Options{})
	v := newVisitor(t, m)
	steps := []struct {
		name string
		use  func(*session.Session)
		want string
	}{
		{"first value: there is nothing to lock", func(s *session.Session) { _ = count.Set(s, 1) }, "write"},
		{"change", func(s *session.Session) { _ = count.Set(s, 2) }, "acquire write-release"},
		{"look", func(s *session.Session) { count.Get(s) }, "acquire release"},
		{"Release", func(s *session.Session) { _ = count.Set(s, 3); _ = s.Release() }, "acquire write-release"},
		{"login", func(s *session.Session) { _ = s.Renew() }, "acquire write write-release"},
		{"logout", func(s *session.Session) { _ = s.Destroy() }, "acquire write destroy"},
	}
	for _, step := range steps {
		store.take()
		v.do(step.use, session.Exclusive)
		var got []string
		for op, n := range store.take() {
			got = append(got, slices.Repeat([]string{op}, n)...)
		}
		slices.Sort(got)
		want := strings.Fields(step.want)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s: calls %v, want %v", step.name, got, want)
		}
	}
	v.cookie = "__Host-session=" + strings.Repeat("A", 43)
	v.do(func(s *session.Session) {
		if !s.IsNew() || s.LockLost() != nil || s.Mode() != session.Exclusive {
			t.Error("an unknown token must give a new session, without a lock")
		}
	}, session.Exclusive)
	if got := store.take(); len(got) != 1 || got["acquire"] != 1 {
		t.Errorf("an unknown token made calls %v", got)
	}
}

// countingLocker counts the calls of the Locker too.
type countingLocker struct{ *counting }

func (c countingLocker) inner() session.Locker { return c.Handler.(session.Locker) }

func (c countingLocker) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	c.add("acquire")
	return c.inner().Acquire(ctx, id, ask)
}

func (c countingLocker) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	c.add("write-release")
	return c.inner().WriteRelease(ctx, id, rec, prev, token)
}

func (c countingLocker) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	c.add("extend")
	return c.inner().Extend(ctx, id, token, lease)
}

func (c countingLocker) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	c.add("release")
	return c.inner().Release(ctx, id, token)
}

func TestStoresWithoutLocks(t *testing.T) {
	t.Parallel()
	_, err := session.New(shared{memstore.New(nil)}, session.Options{Lock: session.LockOptions{Required: true}})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "Lock: the store cannot lock") {
		t.Errorf("New with a store that cannot lock: %v", err)
	}
	m := newManager(t, shared{memstore.New(nil)}, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	status, err := v.ask(t.Context(), session.Exclusive, func(*session.Session) {})
	if !errors.Is(err, errors.ErrUnsupported) || status != http.StatusInternalServerError {
		t.Errorf("Exclusive on a store that cannot lock: status %d, error %v", status, err)
	}
	off := newManager(t, shared{memstore.New(nil)}, session.Options{Lock: session.LockOptions{Disabled: true}})
	v = newVisitor(t, off)
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	if _, err := v.ask(t.Context(), session.Exclusive, func(*session.Session) {}); err != nil {
		t.Errorf("Exclusive with Disabled: %v", err)
	}
}

func TestLockOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := session.New(memstore.New(nil), session.Options{Lock: session.LockOptions{Lease: time.Millisecond}})
	if err == nil || !strings.Contains(err.Error(), "Lock.Lease: 1ms") {
		t.Errorf("a lease of 1 ms: %v", err)
	}
}

func TestExclusiveEndsHoweverTheHandlerEnds(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"returns": func(http.ResponseWriter, *http.Request) {},
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"panics":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"streams": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); time.Sleep(time.Minute) },
		"hijacks": func(w http.ResponseWriter, _ *http.Request) {
			_, _, _ = w.(http.Hijacker).Hijack()
			time.Sleep(time.Minute)
		},
		"fails": func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.Get(r.Context())
			_ = user.Set(s, strings.Repeat("x", 1<<21))
		},
		"destroys": func(_ http.ResponseWriter, r *http.Request) { s, _ := session.Get(r.Context()); _ = s.Destroy() },
		"releases": func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.Get(r.Context())
			_ = s.Release()
			time.Sleep(time.Minute)
		},
		"renews":  func(_ http.ResponseWriter, r *http.Request) { s, _ := session.Get(r.Context()); _ = s.Renew() },
		"changes": func(_ http.ResponseWriter, r *http.Request) { s, _ := session.Get(r.Context()); _ = user.Set(s, "x") },
		"update":  func(_ http.ResponseWriter, r *http.Request) { s, _ := session.Get(r.Context()); add(s, 1) },
		"hangs up": func(_ http.ResponseWriter, r *http.Request) {
			r.Context().Value(hangUp{}).(context.CancelFunc)()
			time.Sleep(time.Second)
		},
		"asks more": func(_ http.ResponseWriter, r *http.Request) { _, _ = session.Get(r.Context(), session.Exclusive) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				managers, v := nodes(t, 2, session.Options{})
				ctx, cancel := context.WithCancel(t.Context())
				ctx = context.WithValue(ctx, hangUp{}, cancel)
				done := make(chan struct{})
				other := v.on(managers[1])
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					v.serve(ctx, func(w http.ResponseWriter, r *http.Request) {
						if _, err := session.Get(r.Context(), session.Exclusive); err != nil {
							t.Error(err)
						}
						handler(w, r)
					})
				}()
				time.Sleep(2 * time.Second)
				begin := time.Now()
				if _, err := other.ask(t.Context(), session.Exclusive, func(*session.Session) {}); err != nil || time.Since(begin) > 0 {
					t.Errorf("the next request waited %v, error %v", time.Since(begin), err)
				}
				<-done
			})
		})
	}
}

type hangUp struct{}

func TestHolderIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := new(recorder)
		managers, v := nodes(t, 2, session.Options{Observer: rec})
		locked := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/pay/now?card=4111", nil)
			r.Header.Set("Cookie", v.cookie)
			managers[0].Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = session.Get(r.Context(), session.Exclusive)
				close(locked)
				time.Sleep(10 * time.Second)
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
		<-locked
		since := time.Now()
		for i, m := range managers { // in the process of the holder, and in another
			status, err := v.on(m).ask(t.Context(), session.Exclusive.MaxWait(2*time.Second), func(*session.Session) {})
			locked, ok := errors.AsType[*session.LockedError](err)
			if !ok || status != http.StatusServiceUnavailable || !errors.Is(err, session.ErrLocked) {
				t.Fatalf("node %d: status %d, error %v", i, status, err)
			}
			h := locked.Holder
			if h.Method != "POST" || h.Path != "/pay/now" || h.Node != "node-0" || i > 0 && !h.Since.Equal(since) || locked.Waited != 2*time.Second {
				t.Errorf("node %d: %+v", i, locked)
			}
			if text := err.Error(); !strings.Contains(text, `POST "/pay/now" on node "node-0", `) || strings.Contains(text, "4111") {
				t.Errorf("the error says %q", text)
			}
		}
		if n := rec.count(session.EventLockRefused); n != 2 {
			t.Errorf("%d refusals were observed, want 2", n)
		}
	})
}
