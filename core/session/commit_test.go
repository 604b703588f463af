package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// overlap runs first inside a request that has read the session already, and then lets that request go on with second.
func overlap(v *visitor, first, second func(*session.Session)) *http.Response {
	return v.do(func(s *session.Session) {
		s.Names() // loaded
		v.on(v.m).do(first)
		second(s)
	})
}

func TestMergeByKey(t *testing.T) {
	t.Parallel()
	noon := session.NewKey[string]("noon")
	cases := []struct {
		name          string
		before        func(*session.Session)
		first, second func(*session.Session)
		user          string
		count         int
		noon          string
		overwritten   int
	}{
		{name: "different keys", user: "ann", count: 7,
			first: func(s *session.Session) { _ = user.Set(s, "ann") }, second: func(s *session.Session) { _ = count.Set(s, 7) }},
		{name: "update and update", count: 111,
			before: func(s *session.Session) { _ = count.Set(s, 1) },
			first:  func(s *session.Session) { add(s, 10) }, second: func(s *session.Session) { add(s, 100) }},
		{name: "two updates in one request and another", count: 224,
			before: func(s *session.Session) { _ = count.Set(s, 1) },
			first:  func(s *session.Session) { add(s, 10) },
			second: func(s *session.Session) { add(s, 101); _ = count.Update(s, func(n int) int { return n * 2 }) }},
		{name: "set then update is blind", count: 6,
			first: func(s *session.Session) { add(s, 10) }, second: func(s *session.Session) { _ = count.Set(s, 5); add(s, 1) }},
		{name: "blind set wins without a warning", user: "second",
			first: func(s *session.Session) { _ = user.Set(s, "first") }, second: func(s *session.Session) { _ = user.Set(s, "second") }},
		{name: "read, then set: wins and is told", user: "ann+", overwritten: 1,
			before: func(s *session.Session) { _ = user.Set(s, "ann") },
			first:  func(s *session.Session) { _ = user.Set(s, "first") }, second: func(s *session.Session) { _ = user.Set(s, user.Get(s)+"+") }},
		{name: "read, then set what the other set", user: "same",
			before: func(s *session.Session) { _ = user.Set(s, "ann") },
			first:  func(s *session.Session) { _ = user.Set(s, "same") }, second: func(s *session.Session) { user.Get(s); _ = user.Set(s, "same") }},
		{name: "delete and set of another key", noon: "12",
			before: func(s *session.Session) { _ = user.Set(s, "ann") },
			first:  func(s *session.Session) { _ = noon.Set(s, "12") }, second: func(s *session.Session) { _ = user.Delete(s) }},
		{name: "a flash that was replaced meanwhile stays", user: "new flash",
			before: func(s *session.Session) { _ = user.Set(s, "flash") },
			first:  func(s *session.Session) { _ = user.Set(s, "new flash") }, second: func(s *session.Session) { user.Pop(s) }},
		{name: "setting the same value does not undo another's change", user: "first",
			before: func(s *session.Session) { _ = user.Set(s, "ann") },
			first:  func(s *session.Session) { _ = user.Set(s, "first") }, second: func(s *session.Session) { _ = user.Set(s, "ann") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := new(recorder)
			v := newVisitor(t, newManager(t, nil, session.Options{Observer: rec}))
			v.do(func(s *session.Session) {
				_ = session.NewKey[bool]("there").Set(s, true)
				if c.before != nil {
					c.before(s)
				}
			})
			if res := overlap(v, c.first, c.second); res.StatusCode != http.StatusOK {
				t.Fatalf("status = %d", res.StatusCode)
			}
			v.do(func(s *session.Session) {
				if u, n, o := user.Get(s), count.Get(s), noon.Get(s); u != c.user || n != c.count || o != c.noon {
					t.Errorf("user, count, noon = %q, %d, %q, want %q, %d, %q", u, n, o, c.user, c.count, c.noon)
				}
			})
			if got := rec.count(session.EventOverwritten); got != c.overwritten {
				t.Errorf("%d EventOverwritten, want %d", got, c.overwritten)
			}
		})
	}
}

func add(s *session.Session, n int) { _ = count.Update(s, func(v int) int { return v + n }) }

func TestRejectStale(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{RejectStale: true}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	res := overlap(v, func(s *session.Session) { _ = user.Set(s, "first") }, func(s *session.Session) { _ = user.Set(s, user.Get(s)+"+") })
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "first" {
			t.Errorf("user = %q, want the first writer's", got)
		}
	})
}

func TestConcurrentRequestsLoseNothing(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			t.Parallel()
			store := memstore.New(nil)
			var at []*visitor
			v := newVisitor(t, newManager(t, store, session.Options{}))
			v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
			for range nodes {
				at = append(at, v.on(newManager(t, shared{store}, session.Options{})))
			}
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					res := at[i%nodes].do(func(s *session.Session) {
						_ = session.NewKey[int](fmt.Sprint("k", i)).Set(s, i)
						add(s, 1)
					})
					if res.StatusCode != http.StatusOK {
						t.Errorf("request %d: status %d", i, res.StatusCode)
					}
				})
			}
			wg.Wait()
			v.do(func(s *session.Session) {
				if n := count.Get(s); n != 200 || len(s.Names()) != 202 {
					t.Errorf("count = %d, want 200; %d keys, want 202", n, len(s.Names()))
				}
			})
		})
	}
}

// shared is a store that several Managers of one test use: closing one does not close it for the others.
type shared struct{ session.Handler }

func TestLogoutWinsAgainstSlowRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		slow   func(*session.Session)
		status int
	}{
		{"changing", func(s *session.Session) { _ = user.Set(s, "back again") }, http.StatusConflict},
		{"updating", func(s *session.Session) { add(s, 1) }, http.StatusConflict},
		{"renewing", func(s *session.Session) { _ = s.Renew() }, http.StatusConflict},
		{"reading", func(s *session.Session) { user.Get(s) }, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec, store := new(recorder), newCounting()
			v := newVisitor(t, newManager(t, store, session.Options{Observer: rec}))
			v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
			old := v.cookie
			res := overlap(v, func(s *session.Session) { _ = s.Destroy() }, c.slow)
			if res.StatusCode != c.status {
				t.Errorf("status = %d, want %d", res.StatusCode, c.status)
			}
			if len(res.Cookies()) != 0 {
				t.Error("a late response must not touch the cookie: the visitor may have a new session by now")
			}
			v.cookie = old
			v.do(func(s *session.Session) {
				if !s.IsNew() || len(s.Names()) != 0 {
					t.Error("the session came back")
				}
			})
			if want := map[bool]int{true: 1, false: 0}[c.status != http.StatusOK]; rec.count(session.EventRefused) != want {
				t.Errorf("%d EventRefused, want %d", rec.count(session.EventRefused), want)
			}
		})
	}
}

func TestDestroyThenSetStartsAnew(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	old := v.cookie
	v.do(func(s *session.Session) {
		_ = count.Set(s, 1)
		_ = s.Destroy()
		if user.Get(s) != "" || count.Get(s) != 0 || !s.IsNew() {
			t.Error("a destroyed session must be empty at once")
		}
		_ = cart.Set(s, []string{"bye"})
	})
	if v.cookie == old || v.cookie == "" {
		t.Errorf("cookie = %q, want a new one", v.cookie)
	}
	v.do(func(s *session.Session) {
		if user.Get(s) != "" || len(cart.Get(s)) != 1 {
			t.Errorf("names = %q", s.Names())
		}
	})
}

// hooked lets a test stand between the Manager and the store's writes.
type hooked struct {
	session.Handler
	calls atomic.Int64
	write func(n int64, call func() error) error
}

func (h *hooked) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	return h.write(h.calls.Add(1), func() error { return h.Handler.Write(ctx, id, rec, prev) })
}

func TestLostReplyIsRepeatedNotCountedTwice(t *testing.T) {
	t.Parallel()
	store := &hooked{Handler: memstore.New(nil), write: func(n int64, call func() error) error {
		err := call()
		if n%2 == 1 && err == nil {
			return fmt.Errorf("%w: reply lost", session.ErrUnavailable)
		}
		return err
	}}
	v := newVisitor(t, newManager(t, store, session.Options{}))
	for range 10 {
		if res := v.do(func(s *session.Session) { add(s, 1) }); res.StatusCode != http.StatusOK {
			t.Fatalf("status = %d", res.StatusCode)
		}
	}
	v.do(func(s *session.Session) {
		if got := count.Get(s); got != 10 {
			t.Errorf("count = %d, want 10", got)
		}
	})
}

func TestUnknownOutcomeIsNeverReplayed(t *testing.T) {
	t.Parallel()
	inner := memstore.New(nil)
	other := newManager(t, shared{inner}, session.Options{})
	var v *visitor
	armed := false
	store := &hooked{Handler: inner}
	store.write = func(_ int64, call func() error) error {
		err := call()
		if armed {
			armed = false
			v.on(other).do(func(s *session.Session) { add(s, 100) }) // builds upon the write whose reply is lost
			return fmt.Errorf("%w: reply lost", session.ErrUnavailable)
		}
		return err
	}
	v = newVisitor(t, newManager(t, store, session.Options{}))
	v.do(func(s *session.Session) { _ = count.Set(s, 1) })
	armed = true
	if res := v.do(func(s *session.Session) { add(s, 10) }); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503: nobody knows", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if got := count.Get(s); got != 111 {
			t.Errorf("count = %d, want 111: each increment once", got)
		}
	})
}

func TestUnforeseenStoreErrorIsUnavailable(t *testing.T) {
	t.Parallel()
	store := &hooked{Handler: memstore.New(nil), write: func(int64, func() error) error { return errors.New("disk on fire") }}
	m := newManager(t, store, session.Options{ErrorResponse: func(err error) session.Response {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("error = %v, want ErrUnavailable", err)
		}
		return session.Response{Status: 503, ContentType: "application/json", Body: []byte(`{"error":"later"}`)}
	}})
	v := newVisitor(t, m)
	res := v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	if res.StatusCode != 503 || res.Header.Get("Content-Type") != "application/json" || v.cookie != "" {
		t.Errorf("response = %d %q, cookie %q", res.StatusCode, res.Header.Get("Content-Type"), v.cookie)
	}
}

func TestFailedLogoutKeepsTheCookie(t *testing.T) {
	t.Parallel()
	store := sessiontest.NewFaulty(memstore.New(nil))
	v := newVisitor(t, newManager(t, store, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	store.Before(sessiontest.OpWrite, -1, sessiontest.Fail)
	store.Before(sessiontest.OpDestroy, -1, sessiontest.Fail)
	res := v.do(func(s *session.Session) { _ = s.Destroy() })
	if res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) != 0 {
		t.Errorf("status = %d, cookies = %v: a logout that did not happen must not look like one", res.StatusCode, res.Cookies())
	}
	store.Heal()
	v.do(func(s *session.Session) {
		if user.Get(s) != "ann" {
			t.Error("the session must still be there")
		}
	})
	store.Before(sessiontest.OpWrite, -1, sessiontest.Fail) // a full disk: it can still remove
	if res := v.do(func(s *session.Session) { _ = s.Destroy() }); res.StatusCode != http.StatusOK || v.cookie != "" {
		t.Errorf("logout on a full disk: status = %d, cookie %q", res.StatusCode, v.cookie)
	}
}
