package session_test

import (
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

// holding is a store that holds the next write, once it is told to, until it is released.
type holding struct {
	hooked
	hold    atomic.Bool
	release chan struct{}
	then    func() // instead of the write that was held
}

func newHolding(inner session.Handler) *holding {
	h := &holding{release: make(chan struct{})}
	h.Handler = inner
	h.write = func(_ int64, call func() error) error {
		if h.hold.CompareAndSwap(true, false) {
			<-h.release
			if h.then != nil {
				h.then()
			}
		}
		return call()
	}
	return h
}

// TestWaitingCommitsShareAWrite holds the first of 50 commits inside the store until the others wait behind it.
func TestWaitingCommitsShareAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := newCounting()
		store := newHolding(inner)
		m := newManager(t, store, session.Options{MaxBytes: 2000})
		v := newVisitor(t, m)
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		inner.take()
		store.hold.Store(true)
		var wg sync.WaitGroup
		status := make([]int, 50)
		for i := range status {
			wg.Go(func() {
				status[i] = v.do(func(s *session.Session) {
					add(s, 1)
					switch i {
					case 20:
						_ = user.Set(s, strings.Repeat("x", 2000)) // too large: fails alone
					case 30:
						_ = s.Renew() // cannot be written along: the session moves away
					}
				}).StatusCode
			})
			synctest.Wait()
		}
		close(store.release)
		wg.Wait()
		if got := inner.take()["write"]; got > 6 {
			t.Errorf("%d writes for 50 commits that waited together", got)
		}
		kept := 0
		for i, code := range status {
			want := http.StatusOK
			switch {
			case i == 20:
				want = http.StatusInternalServerError
			case i > 30:
				want = http.StatusConflict // the old id is dead
			default:
				kept++
			}
			if code != want {
				t.Errorf("request %d: status %d, want %d", i, code, want)
			}
		}
		v.do(func(s *session.Session) {
			if got := count.Get(s); got != kept {
				t.Errorf("count = %d, want the %d acknowledged increments", got, kept)
			}
		})
	})
}

func TestPanicOfAnUpdateStaysWithItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHolding(memstore.New(nil))
		v := newVisitor(t, newManager(t, store, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		store.hold.Store(true)
		var wg sync.WaitGroup
		panics := 0
		for i := range 5 {
			wg.Go(func() {
				defer func() {
					if recover() != nil {
						panics++
						if i != 2 {
							t.Errorf("request %d panicked with another's function", i)
						}
					}
				}()
				calls := 0
				v.do(func(s *session.Session) {
					_ = count.Update(s, func(n int) int {
						if calls++; i == 2 && calls > 1 {
							panic("cannot be replayed")
						}
						return n + 1
					})
				})
			})
			synctest.Wait()
		}
		close(store.release)
		wg.Wait()
		v.do(func(s *session.Session) {
			if got := count.Get(s); got != 4 || panics != 1 {
				t.Errorf("count = %d, panics = %d, want 4 and 1", got, panics)
			}
		})
	})
}

// TestPanickingStoreLeavesNobodyWaiting says that a commit behind one whose store call panicked goes on.
func TestPanickingStoreLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHolding(memstore.New(nil))
		store.then = func() { panic("bug in the store") }
		v := newVisitor(t, newManager(t, store, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		store.hold.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			v.do(func(s *session.Session) { add(s, 1) })
		})
		synctest.Wait()
		wg.Go(func() {
			if res := v.do(func(s *session.Session) { add(s, 10) }); res.StatusCode != http.StatusOK {
				t.Errorf("status = %d", res.StatusCode)
			}
		})
		synctest.Wait()
		close(store.release)
		wg.Wait()
		v.do(func(s *session.Session) {
			if got := count.Get(s); got != 10 {
				t.Errorf("count = %d, want 10", got)
			}
		})
	})
}

func TestWaitingForOthersIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHolding(memstore.New(nil))
		v := newVisitor(t, newManager(t, store, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		store.hold.Store(true)
		go v.do(func(s *session.Session) { add(s, 1) })
		synctest.Wait()
		start := time.Now()
		res := v.do(func(s *session.Session) { add(s, 1) })
		if took := time.Since(start); res.StatusCode != http.StatusServiceUnavailable || took != 600*time.Millisecond {
			t.Errorf("status %d after %v, want 503 after the budget of 600ms", res.StatusCode, took)
		}
		close(store.release)
		synctest.Wait()
	})
}
