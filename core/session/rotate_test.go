package session_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// rotating renews ids every ten minutes.
func rotating() session.Options { return session.Options{RenewInterval: 10 * time.Minute} }

// eachStore runs a test on a store that can lock and on one that cannot.
func eachStore(t *testing.T, test func(t *testing.T, store session.Handler)) {
	for name, store := range map[string]func() session.Handler{
		"locker":    func() session.Handler { return shared2{memstore.New(nil)} },
		"no locker": func() session.Handler { return shared{memstore.New(nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, store()) })
		})
	}
}

func TestASVS_7_2_4_PeriodicRenewal(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store session.Handler) {
		v := newVisitor(t, newManager(t, store, rotating()))
		set(v, "ann")
		first := v.on(v.m)
		time.Sleep(9 * time.Minute)
		v.do(func(s *session.Session) { user.Get(s) })
		if v.cookie != first.cookie {
			t.Error("renewed too early")
		}
		time.Sleep(time.Minute)
		v.do(func(s *session.Session) { user.Get(s) }, session.ReadOnly)
		if v.cookie != first.cookie {
			t.Error("a ReadOnly request has renewed the id")
		}
		v.do(func(s *session.Session) { user.Get(s) })
		if v.cookie == first.cookie {
			t.Fatal("not renewed")
		}
		second := v.on(v.m)
		for who, each := range map[string]*visitor{"the new id": v, "the old id in its grace": first} {
			each.do(func(s *session.Session) {
				if user.Get(s) != "ann" {
					t.Errorf("%s does not open the session", who)
				}
			})
		}
		if v.cookie != second.cookie || first.cookie == second.cookie {
			t.Error("renewed again at once, or the old id was answered with a cookie")
		}
		time.Sleep(10 * time.Second)
		for who, each := range map[string]*visitor{"ann": v, "": first} {
			each.do(func(s *session.Session) {
				if user.Get(s) != who {
					t.Errorf("after the grace: %q, want %q", user.Get(s), who)
				}
			})
		}
		wantLife(t, v, "renewed", time.Hour-10*time.Second, 24*time.Hour-10*time.Minute-10*time.Second)
	})
}

// Requests that began before the renewal, and some that come with the old cookie after it, in all three modes.
func TestRenewalLosesNobody(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store session.Handler) {
		m := newManager(t, store, rotating())
		v := newVisitor(t, m)
		set(v, "ann")
		time.Sleep(10 * time.Minute)
		first := v.on(m)
		var wg sync.WaitGroup
		renewed := make(chan struct{})
		var mu sync.Mutex
		cookies := map[string]bool{}
		for i := range 20 {
			wg.Go(func() {
				mine := first.on(m)
				if i%2 == 1 {
					<-renewed
				}
				res := mine.do(func(s *session.Session) {
					add(s, 1)
					if i > 0 {
						<-renewed
					}
					_ = session.NewKey[int](fmt.Sprint("k", i)).Set(s, i)
				})
				if res.StatusCode != http.StatusOK {
					t.Errorf("request %d: status %d", i, res.StatusCode)
				}
				if mine.cookie != first.cookie {
					mu.Lock()
					cookies[mine.cookie] = true
					mu.Unlock()
				}
				if i == 0 {
					close(renewed)
				}
			})
		}
		wg.Wait()
		if len(cookies) != 1 {
			t.Fatalf("%d new cookies, want 1", len(cookies))
		}
		v.cookie = slices.Collect(maps.Keys(cookies))[0]
		v.do(func(s *session.Session) {
			if count.Get(s) != 20 || len(s.Names()) != 22 {
				t.Errorf("count = %d, %d names: an acknowledged change was lost", count.Get(s), len(s.Names()))
			}
		})
	})
}

// All find that the renewal is due at the same moment.
func TestConcurrentPeriodicRenewalsAreOne(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store session.Handler) {
		rec := new(recorder)
		o := rotating()
		o.Observer = rec
		nodes := []*session.Manager{newManager(t, store, o), newManager(t, store, o)}
		v := newVisitor(t, nodes[0])
		set(v, "ann")
		time.Sleep(10 * time.Minute)
		var wg, loaded sync.WaitGroup
		loaded.Add(20)
		visitors := make([]*visitor, 20)
		for i := range visitors {
			visitors[i] = v.on(nodes[i%2])
			wg.Go(func() {
				res := visitors[i].do(func(s *session.Session) {
					add(s, 1)
					loaded.Done()
					loaded.Wait()
				})
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute) // the grace of the old id
		alive := 0
		for _, each := range visitors {
			if each.cookie == v.cookie {
				continue
			}
			each.do(func(s *session.Session) {
				if alive++; count.Get(s) != 20 {
					t.Errorf("count = %d", count.Get(s))
				}
			})
		}
		if alive != 1 || rec.count(session.EventRenewed) != 1 {
			t.Errorf("%d sessions and %d renewals, want one", alive, rec.count(session.EventRenewed))
		}
	})
}

func TestLogoutEndsBothIDs(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"new id", "old id", "request that began before"} {
		eachStore(t, func(t *testing.T, store session.Handler) {
			v := newVisitor(t, newManager(t, store, rotating()))
			set(v, "ann")
			time.Sleep(10 * time.Minute)
			old := v.on(v.m)
			renew := func() { v.do(func(s *session.Session) { user.Get(s) }) }
			logout := func(s *session.Session) { _ = s.Destroy() }
			switch by {
			case "new id":
				renew()
				v.on(v.m).do(logout)
			case "old id":
				renew()
				old.on(v.m).do(logout)
			default:
				old.on(v.m).do(func(s *session.Session) { renew(); logout(s) })
			}
			for _, each := range []*visitor{v, old} {
				each.do(func(s *session.Session) {
					if !s.IsNew() {
						t.Errorf("logout by the %s: a session is left", by)
					}
				})
			}
		})
	}
}

// A login leaves no grace, neither to the id that it replaces nor to one that was renewed just before.
func TestASVS_7_2_4_LoginEndsAliasesToo(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store session.Handler) {
		v := newVisitor(t, newManager(t, store, rotating()))
		set(v, "anonymous")
		time.Sleep(10 * time.Minute)
		planted := v.on(v.m)
		v.do(func(s *session.Session) { user.Get(s) })
		renewed := v.on(v.m)
		v.do(func(s *session.Session) { _ = s.Renew(); _ = user.Set(s, "ann") })
		for _, each := range []*visitor{planted, renewed} {
			each.do(func(s *session.Session) {
				if !s.IsNew() || user.Get(s) != "" {
					t.Error("an id from before the login opens the session")
				}
			})
		}
		if idle, _ := lifeOf(v); idle == 0 {
			t.Error("the session is lost")
		}
	})
}

func TestRenewalWaitsForExclusive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		nodes := []*session.Manager{newManager(t, shared2{store}, rotating()), newManager(t, shared2{store}, rotating())}
		v := newVisitor(t, nodes[0])
		set(v, "ann")
		time.Sleep(10 * time.Minute)
		old := v.cookie
		v.do(func(s *session.Session) {
			for _, node := range nodes {
				other := v.on(node)
				other.do(func(s *session.Session) { add(s, 1) })
				if other.cookie != old {
					t.Error("renewed under the feet of the one who has the session with Exclusive")
				}
			}
			add(s, 1)
		}, session.Exclusive)
		if v.cookie == old {
			t.Error("the one who has the lock has not renewed it")
		}
		v.do(func(s *session.Session) {
			if count.Get(s) != 3 {
				t.Errorf("count = %d", count.Get(s))
			}
		})
		// Exclusive by the alias and by the id: still one after the other.
		var wg sync.WaitGroup
		for i := range 10 {
			mine := v.on(nodes[i%2])
			if i < 5 {
				mine.cookie = old
			}
			wg.Go(func() {
				mine.do(func(s *session.Session) {
					n := count.Get(s)
					time.Sleep(10 * time.Millisecond)
					_ = count.Set(s, n+1)
				}, session.Exclusive)
			})
		}
		wg.Wait()
		v.do(func(s *session.Session) {
			if count.Get(s) != 13 {
				t.Errorf("count = %d, want 13", count.Get(s))
			}
		})
	})
}

// shared2 is a store of several Managers that can lock.
type shared2 struct{ *memstore.Store }

func (shared2) Close() error { return nil }

// failingRenewal refuses what a renewal writes first.
type failingRenewal struct {
	session.Handler
	fail bool
}

func (f *failingRenewal) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if f.fail && prev.IsZero() {
		return fmt.Errorf("%w: disk full", session.ErrUnavailable)
	}
	return f.Handler.Write(ctx, id, rec, prev)
}

func TestFailedPeriodicRenewalIsNoFailedRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := new(recorder)
		o := rotating()
		o.Observer = rec
		store := &failingRenewal{Handler: memstore.New(nil)}
		v := newVisitor(t, newManager(t, store, o))
		set(v, "ann")
		time.Sleep(10 * time.Minute)
		store.fail = true
		old := v.cookie
		if res := v.do(func(s *session.Session) { user.Get(s) }); res.StatusCode != http.StatusOK || v.cookie != old {
			t.Errorf("status %d", res.StatusCode)
		}
		failed := slices.IndexFunc(rec.events, func(e session.Event) bool {
			return e.Kind == session.EventFailed && e.Op == "renew" && errors.Is(e.Err, session.ErrUnavailable)
		})
		if failed < 0 {
			t.Error("nobody was told")
		}
		store.fail = false
		v.do(func(s *session.Session) {
			if user.Get(s) != "ann" {
				t.Error("the session is lost")
			}
		})
		if v.cookie == old {
			t.Error("the next request did not renew")
		}
	})
}
