package session_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestTimeouts(t *testing.T) {
	t.Parallel()
	type step struct {
		wait time.Duration
		live bool
	}
	cases := []struct {
		name  string
		o     session.Options
		steps []step
	}{
		{"idle", session.Options{IdleTimeout: time.Hour}, []step{{59 * time.Minute, true}, {59 * time.Minute, true}, {61 * time.Minute, false}}},
		{"absolute", session.Options{IdleTimeout: time.Hour, AbsoluteTimeout: 2 * time.Hour},
			[]step{{50 * time.Minute, true}, {50 * time.Minute, true}, {19 * time.Minute, true}, {2 * time.Minute, false}}},
		{"absolute only", session.Options{IdleTimeout: -1, AbsoluteTimeout: 2 * time.Hour}, []step{{119 * time.Minute, true}, {2 * time.Minute, false}}},
		{"idle only", session.Options{IdleTimeout: time.Hour, AbsoluteTimeout: -1},
			[]step{{59 * time.Minute, true}, {59 * time.Minute, true}, {59 * time.Minute, true}, {2 * time.Hour, false}}},
		{"short idle", session.Options{IdleTimeout: 20 * time.Second}, []step{{19 * time.Second, true}, {19 * time.Second, true}, {21 * time.Second, false}}},
	}
	for _, c := range cases {
		for _, touches := range []bool{true, false} {
			name := c.name
			if !touches {
				name += " without Toucher"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var store session.Handler = memstore.New(nil)
					if !touches {
						store = shared{store}
					}
					v := newVisitor(t, newManager(t, store, c.o))
					v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
					for i, st := range c.steps {
						time.Sleep(st.wait)
						v.do(func(s *session.Session) {
							if live := user.Get(s) == "ann"; live != st.live {
								t.Errorf("step %d: live = %v, want %v", i, live, st.live)
							}
						}, session.ReadOnly)
					}
				})
			})
		}
	}
}

// stale is a store that never forgets: core must enforce the limits all the same.
type stale struct {
	session.Handler
	kept session.Record
}

func (s *stale) Write(_ context.Context, _ session.ID, rec session.Record, _ session.Version) error {
	s.kept = rec
	return nil
}
func (s *stale) Read(context.Context, session.ID) (session.Record, error) { return s.kept, nil }

func TestLimitsDoNotDependOnTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := new(recorder)
		v := newVisitor(t, newManager(t, &stale{Handler: memstore.New(nil)}, session.Options{IdleTimeout: time.Hour, Observer: rec}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		time.Sleep(time.Hour)
		v.do(func(s *session.Session) {
			if !s.IsNew() {
				t.Error("an idle session was served")
			}
		})
		if rec.count(session.EventExpired) != 1 {
			t.Error("want EventExpired")
		}
	})
}

func TestTouchIsThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		v := newVisitor(t, newManager(t, store, session.Options{IdleTimeout: 20 * time.Hour, AbsoluteTimeout: -1}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		store.take()
		for range 120 { // two hours, one request a minute; a twentieth of the idle time is one hour
			time.Sleep(time.Minute)
			v.do(func(s *session.Session) { user.Get(s) })
		}
		if got := store.take(); !maps.Equal(got, map[string]int{"read": 120, "touch": 2}) {
			t.Errorf("calls = %v, want 120 reads and 2 touches", got)
		}
	})
}

// hanging blocks until its context ends, as a stalled server does.
type hanging struct{ session.Handler }

func (hanging) Read(ctx context.Context, _ session.ID) (session.Record, error) {
	<-ctx.Done()
	return session.Record{}, ctx.Err()
}

func TestStalledStoreIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := memstore.New(nil)
		v := newVisitor(t, newManager(t, shared{inner}, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		stalled := v.on(newManager(t, hanging{inner}, session.Options{}))
		start := time.Now()
		res := stalled.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			for range 3 { // middlewares and handler ask one after the other: the budget is spent once
				if _, err := session.Get(r.Context()); !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("Get = %v, want ErrUnavailable", err)
				}
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if took := time.Since(start); took != 400*time.Millisecond {
			t.Errorf("took %v, want the budget of 400ms", took)
		}
		if len(res.Cookies()) != 0 {
			t.Error("a stalled store must not cost the visitor the cookie")
		}
	})
}

func TestCommitOutlivesTheVisitor(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	ctx, hangUp := context.WithCancel(t.Context())
	v.serve(ctx, func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = user.Set(s, "bob")
		hangUp()
	})
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "bob" {
			t.Errorf("user = %q: the commit died with the connection", got)
		}
	})
}

func TestManagerCollectsGarbage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &collecting{Handler: memstore.New(nil), left: 2500}
		m := newManager(t, store, session.Options{})
		time.Sleep(2 * time.Minute)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if store.left != 0 {
			t.Errorf("%d expired sessions left", store.left)
		}
	})
}

type collecting struct {
	session.Handler
	left int
}

func (c *collecting) GC(_ context.Context, limit int) (int, error) {
	n := min(limit, c.left)
	c.left -= n
	return n, nil
}
