package session_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nonstick-go/nonstick/core/session"
)

func TestCallsPerRequest(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, store, session.Options{})
	v := newVisitor(t, m)
	steps := []struct {
		name string
		use  func(*session.Session)
		mode session.Mode
		want map[string]int
	}{
		{"newcomer looks", func(s *session.Session) { user.Get(s) }, session.ReadOnly, nil},
		{"newcomer deletes what is not there", func(s *session.Session) { _ = user.Delete(s) }, 0, nil},
		{"newcomer logs out", func(s *session.Session) { _ = s.Destroy() }, 0, nil},
		{"newcomer renews", func(s *session.Session) { _ = s.Renew() }, 0, nil},
		{"first value", func(s *session.Session) { _ = user.Set(s, "ann") }, 0, map[string]int{"write": 1}},
		{"read only", func(s *session.Session) { user.Get(s) }, session.ReadOnly, map[string]int{"read": 1}},
		{"read", func(s *session.Session) { user.Get(s) }, 0, map[string]int{"read": 1}},
		{"change", func(s *session.Session) { _ = user.Set(s, "bob") }, 0, map[string]int{"read": 1, "write": 1}},
		{"same value", func(s *session.Session) { _ = user.Set(s, "bob") }, 0, map[string]int{"read": 1}},
		{"there and back", func(s *session.Session) { _, _ = user.Set(s, "eve"), user.Set(s, "bob") }, 0, map[string]int{"read": 1}},
		{"many keys", func(s *session.Session) {
			for i := range 20 {
				_ = session.NewKey[int](fmt.Sprint(i)).Set(s, i)
			}
		}, 0, map[string]int{"read": 1, "write": 1}},
		{"login", func(s *session.Session) { _ = s.Renew(); _ = user.Set(s, "cy") }, 0, map[string]int{"read": 1, "write": 2}},
		{"logout", func(s *session.Session) { _ = s.Destroy() }, 0, map[string]int{"read": 1, "write": 1, "destroy": 1}},
	}
	for _, step := range steps {
		store.take()
		v.do(step.use, step.mode)
		if got := store.take(); !maps.Equal(got, step.want) {
			t.Errorf("%s: calls %v, want %v", step.name, got, step.want)
		}
	}
	store.take()
	v.cookie = "__Host-session=" + strings.Repeat("A", 43)
	v.serve(t.Context(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	if got := store.take(); len(got) != 0 {
		t.Errorf("a request that never asks for its session made calls: %v", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	type profile struct {
		Name string
		Tags []string
	}
	prof := session.NewKey[profile]("profile")
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) {
		if !s.IsNew() || !s.Created().IsZero() || !s.Deadline().IsZero() || len(s.Names()) != 0 {
			t.Error("a newcomer's session must be new and empty")
		}
		if _, ok := user.Lookup(s); ok {
			t.Error("Lookup found a value in an empty session")
		}
		_ = user.Set(s, "ann")
		_ = prof.Set(s, profile{"Ann", []string{"x"}})
		_ = count.Update(s, func(n int) int { return n + 1 })
		_ = count.Update(s, func(n int) int { return n * 10 })
		if got := count.Get(s); got != 10 {
			t.Errorf("a request must see its own changes: count = %d", got)
		}
	})
	v.do(func(s *session.Session) {
		if s.IsNew() || s.Created().IsZero() || s.Deadline().IsZero() {
			t.Error("a stored session must not be new")
		}
		if got := s.Names(); !slices.Equal(got, []string{"count", "profile", "user"}) {
			t.Errorf("Names = %q", got)
		}
		p := prof.Get(s)
		p.Tags[0] = "changed"
		if got := prof.Get(s); got.Name != "Ann" || got.Tags[0] != "x" {
			t.Errorf("changing what Get returned must change nothing: %+v", got)
		}
		if got, ok := user.Pop(s); got != "ann" || !ok {
			t.Errorf("Pop = %q, %v", got, ok)
		}
		if _, ok := user.Pop(s); ok {
			t.Error("Pop must remove the value")
		}
		_ = count.Delete(s)
	})
	v.do(func(s *session.Session) {
		if got := s.Names(); !slices.Equal(got, []string{"profile"}) {
			t.Errorf("Names after Pop and Delete = %q", got)
		}
	})
}

func TestProgramErrorsAreLoud(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		use  func(*session.Session) error
		mode session.Mode
		want error // nil: any
	}{
		{"not encodable", func(s *session.Session) error { return session.NewKey[chan int]("c").Set(s, nil) }, 0, nil},
		{"not encodable in Update", func(s *session.Session) error {
			return session.NewKey[float64]("f").Update(s, func(float64) float64 { return math.NaN() })
		}, 0, nil},
		{"empty name", func(s *session.Session) error { return session.NewKey[int]("").Set(s, 1) }, 0, nil},
		{"long name", func(s *session.Session) error { return session.NewKey[int](strings.Repeat("n", 256)).Set(s, 1) }, 0, nil},
		{"Set on ReadOnly", func(s *session.Session) error { return user.Set(s, "x") }, session.ReadOnly, session.ErrReadOnly},
		{"Delete on ReadOnly", func(s *session.Session) error { return user.Delete(s) }, session.ReadOnly, session.ErrReadOnly},
		{"Update on ReadOnly", func(s *session.Session) error { return count.Update(s, func(n int) int { return n }) }, session.ReadOnly, session.ErrReadOnly},
		{"Renew on ReadOnly", func(s *session.Session) error { return s.Renew() }, session.ReadOnly, session.ErrReadOnly},
		{"Destroy on ReadOnly", func(s *session.Session) error { return s.Destroy() }, session.ReadOnly, session.ErrReadOnly},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := new(recorder)
			m := newManager(t, nil, session.Options{Observer: rec})
			v := newVisitor(t, m)
			v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
			cookie := v.cookie
			res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Get(r.Context(), c.mode)
				if err != nil {
					t.Fatal(err)
				}
				err = c.use(s)
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("error = %v, want %v", err, c.want)
				}
				if _, ok := errors.AsType[*session.Error](err); !ok {
					t.Errorf("error %T is no *session.Error", err)
				}
				_, _ = w.Write([]byte("the handler ignored it"))
			})
			if res.StatusCode != http.StatusInternalServerError {
				t.Errorf("status = %d, want 500", res.StatusCode)
			}
			if rec.count(session.EventFailed) != 1 {
				t.Error("the Observer must hear of it")
			}
			v.cookie = cookie
			v.do(func(s *session.Session) {
				if got := user.Get(s); got != "ann" {
					t.Errorf("stored data was changed: user = %q", got)
				}
			})
		})
	}
}

func TestTooLargeKeepsOldData(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{MaxBytes: 1000}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	res := v.do(func(s *session.Session) { _ = user.Set(s, strings.Repeat("x", 1000)) })
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("status = %d, want 500", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "ann" {
			t.Errorf("user = %q, want the old value", got)
		}
	})
}

func TestUndecodableValueIsAbsent(t *testing.T) {
	t.Parallel()
	rec := new(recorder)
	v := newVisitor(t, newManager(t, nil, session.Options{Observer: rec}))
	v.do(func(s *session.Session) { _ = user.Set(s, "secret-value") })
	v.do(func(s *session.Session) {
		asNumber := session.NewKey[int]("user")
		if n, ok := asNumber.Lookup(s); ok || n != 0 {
			t.Errorf("Lookup = %d, %v", n, ok)
		}
		_ = asNumber.Update(s, func(n int) int { return n + 1 })
	})
	if got := rec.count(session.EventUndecodable); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
	for _, e := range rec.events {
		if e.Err != nil && strings.Contains(e.Err.Error(), "secret-value") {
			t.Errorf("event shows the value: %v", e.Err)
		}
	}
	v.do(func(s *session.Session) {
		if got := session.NewKey[int]("user").Get(s); got != 1 {
			t.Errorf("value after Update = %d, want 1", got)
		}
	})
}

func TestSealedAfterCommit(t *testing.T) {
	t.Parallel()
	rec := new(recorder)
	store := newCounting()
	v := newVisitor(t, newManager(t, store, session.Options{Observer: rec}))
	v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = user.Set(s, "ann")
		_, _ = w.Write([]byte("first byte"))
		for _, err := range []error{user.Set(s, "late"), user.Delete(s), s.Renew(), s.Destroy(), cart.Update(s, func(c []string) []string { return c })} {
			if !errors.Is(err, session.ErrCommitted) {
				t.Errorf("late change: %v, want ErrCommitted", err)
			}
		}
		if got := user.Get(s); got != "ann" {
			t.Errorf("reading after the commit: user = %q", got)
		}
		again, err := session.Get(r.Context())
		if err != nil || again != s {
			t.Errorf("Get after the commit = %p, %v, want the same session", again, err)
		}
	})
	if got := rec.count(session.EventMisused); got != 5 {
		t.Errorf("%d EventMisused, want 5", got)
	}
	if got := store.take(); !maps.Equal(got, map[string]int{"write": 1}) {
		t.Errorf("calls = %v, want one write", got)
	}
	v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if _, err := session.Get(r.Context()); !errors.Is(err, session.ErrCommitted) {
			t.Errorf("first Get after the response started: %v, want ErrCommitted", err)
		}
	})
}

func TestGetOutsideTheMiddleware(t *testing.T) {
	t.Parallel()
	m1, m2 := newManager(t, nil, session.Options{}), newManager(t, nil, session.Options{Cookie: session.Cookie{Name: "__Host-admin"}})
	if _, err := session.Get(context.Background()); !errors.Is(err, session.ErrNoMiddleware) {
		t.Errorf("Get = %v, want ErrNoMiddleware", err)
	}
	newVisitor(t, m1).serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		if _, err := m2.Get(r.Context()); !errors.Is(err, session.ErrNoMiddleware) {
			t.Errorf("Get of another manager = %v, want ErrNoMiddleware", err)
		}
		mine, err1 := m1.Get(r.Context())
		inner, err2 := session.Get(r.Context())
		if err1 != nil || err2 != nil || mine != inner {
			t.Errorf("Get = %v, %v", err1, err2)
		}
	})
	newVisitor(t, m1).serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		m2.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			outer, err1 := m1.Get(r.Context())
			inner, err2 := m2.Get(r.Context())
			if err1 != nil || err2 != nil || outer == inner {
				t.Errorf("two managers on one route: %v, %v", err1, err2)
			}
			if s, err := session.Get(r.Context()); err != nil || s != inner {
				t.Error("Get must return the innermost manager's session")
			}
		})).ServeHTTP(w, r)
	})
}

func TestGoroutinesOfOneRequest(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				s, err := session.Get(r.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = session.NewKey[int](fmt.Sprint("k", i)).Set(s, i)
				_ = count.Update(s, func(n int) int { return n + 1 })
				_, _, _ = user.Get(s), s.Names(), s.IsNew()
			})
		}
		wg.Wait()
	})
	v.do(func(s *session.Session) {
		if got := count.Get(s); got != 20 || len(s.Names()) != 21 {
			t.Errorf("count = %d, names = %d", got, len(s.Names()))
		}
	})
}

// TestUpdateThatUsesItsSession says that a mistake which would hang for ever is told instead, in the request and in the
// commit.
func TestUpdateThatUsesItsSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		for name, request := range map[string]func(){
			"at once": func() {
				v.do(func(s *session.Session) { _ = count.Update(s, func(int) int { return len(user.Get(s)) }) })
			},
			"when it is replayed": func() {
				calls := 0
				overlap(v, func(s *session.Session) { add(s, 1) }, func(s *session.Session) {
					_ = count.Update(s, func(n int) int {
						if calls++; calls > 1 {
							return len(user.Get(s))
						}
						return n
					})
				})
			},
		} {
			func() {
				defer func() {
					if text, _ := recover().(string); !strings.Contains(text, "uses its session") {
						t.Errorf("%s: recovered %q", name, text)
					}
				}()
				request()
			}()
		}
		v.do(func(s *session.Session) { _ = user.Set(s, "bob") }) // nothing is left locked
		v.do(func(s *session.Session) {
			if user.Get(s) != "bob" {
				t.Error("the session cannot be changed any more")
			}
		})
	})
}

func TestModeUpgrade(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		if _, err := session.Get(r.Context(), session.ReadOnly); err != nil {
			t.Fatal(err)
		}
		s, _ := session.Get(r.Context())
		if err := user.Set(s, "ann"); err != nil {
			t.Errorf("Set after an upgrade: %v", err)
		}
	})
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "ann" {
			t.Errorf("user = %q", got)
		}
	})
}

func TestClosedManager(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		if _, err := session.Get(r.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Get = %v, want ErrClosed", err)
		}
	})
	if err := m.Ping(t.Context()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Ping = %v, want ErrClosed", err)
	}
}
