package life_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

var count = session.NewKey[int]("count")

func add(s *session.Session) { _ = count.Update(s, func(n int) int { return n + 1 }) }

// 20 requests on two nodes around a periodic renewal: ten that began before it, one that renews, and nine that come with
// the old cookie after it. Some of them have the session with Exclusive.
func TestRenewalLosesNobodyAndForksNothing(t *testing.T) {
	t.Parallel()
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const interval, grace = 4 * time.Second, 3900 * time.Millisecond
			open, o := start(t), session.Options{RenewInterval: interval, RenewGrace: grace}
			nodes := [2]*session.Manager{newManager(t, open, o), newManager(t, open, o)}
			v := &visitor{}
			v.get(t.Context(), nodes[0], add)
			created := time.Now()
			old := v.as()
			time.Sleep(interval)
			var wg, loaded sync.WaitGroup
			renewed := make(chan struct{})
			loaded.Add(10)
			begin := func(i int, use func(*session.Session), mode ...session.Mode) {
				wg.Go(func() {
					tab := old.as()
					status := tab.get(t.Context(), nodes[i%2], func(s *session.Session) {
						use(s)
						_ = session.NewKey[int]("k"+strconv.Itoa(i)).Set(s, i)
					}, mode...)
					if status != http.StatusOK {
						t.Errorf("request %d: status %d", i, status)
					}
					if tab.cookie != old.cookie {
						t.Errorf("request %d has renewed the session again", i)
					}
				})
			}
			for i := range 10 {
				begin(i, func(s *session.Session) { add(s); loaded.Done(); <-renewed })
			}
			loaded.Wait()
			if status := v.get(t.Context(), nodes[0], add); status != http.StatusOK || v.cookie == old.cookie {
				t.Fatalf("the renewal: status %d; the cookie must be a new one", status)
			}
			close(renewed)
			for i := range 9 {
				begin(10+i, add, [...]session.Mode{session.Optimistic, session.Exclusive}[i%2])
			}
			wg.Wait()
			v.get(t.Context(), nodes[1], func(s *session.Session) {
				if count.Get(s) != 21 || len(s.Names()) != 20 {
					t.Errorf("count = %d, want 21; %d names, want 20", count.Get(s), len(s.Names()))
				}
				if s.Created().After(created) {
					t.Error("it is another session")
				}
			}, session.ReadOnly)
			logoutEndsBoth(t, nodes, v, old)
		})
	}
}

// logoutEndsBoth logs out by the old id, on the other node.
func logoutEndsBoth(t *testing.T, nodes [2]*session.Manager, renewed, old *visitor) {
	t.Helper()
	ids := []*visitor{renewed.as(), old.as()}
	if status := old.get(t.Context(), nodes[1], func(s *session.Session) { _ = s.Destroy() }); status != http.StatusOK {
		t.Errorf("logout: status %d", status)
	}
	for i, each := range ids {
		for _, node := range nodes {
			each.get(t.Context(), node, func(s *session.Session) {
				if !s.IsNew() {
					t.Errorf("after the logout id %d opens the session", i)
				}
			})
		}
	}
}

// The old id is an alias for the time of grace and no longer, and none at all after a login.
func TestASVS_7_2_4_GraceEnds(t *testing.T) {
	t.Parallel()
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t, start(t), session.Options{RenewInterval: 2 * time.Second, RenewGrace: time.Second})
			v := &visitor{}
			v.get(t.Context(), m, add)
			old := v.as()
			time.Sleep(2 * time.Second)
			v.get(t.Context(), m, add)
			renewed := v.as()
			v.get(t.Context(), m, func(s *session.Session) { _ = s.Renew() })
			for _, each := range []*visitor{old, renewed} {
				each.get(t.Context(), m, func(s *session.Session) {
					if !s.IsNew() {
						t.Error("an id from before the login opens the session")
					}
				})
			}
			before := v.as()
			time.Sleep(2 * time.Second)
			v.get(t.Context(), m, add)
			if v.cookie == before.cookie {
				t.Error("not renewed again")
			}
			time.Sleep(time.Second)
			before.get(t.Context(), m, func(s *session.Session) {
				if !s.IsNew() {
					t.Error("the old id opens the session after its grace")
				}
			})
			v.get(t.Context(), m, func(s *session.Session) {
				if count.Get(s) != 3 {
					t.Errorf("count = %d, want 3", count.Get(s))
				}
			})
		})
	}
}
