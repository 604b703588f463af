package session_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// upgraded sends a request that gets the session with the first mode, runs before, lets another node set count to 7 and
// user to "other", gets the session with Exclusive, and runs after with what that gave.
func upgraded(t *testing.T, o session.Options, first session.Mode, before func(*session.Session), after func(*session.Session, error)) (v *visitor, status int) {
	managers, v := nodes(t, 2, o)
	other := v.on(managers[1])
	res := v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		before(s)
		other.do(func(s *session.Session) { _ = count.Set(s, 7); _ = user.Set(s, "other") })
		locked, err := session.Get(r.Context(), session.Exclusive)
		if err == nil && locked != s {
			t.Error("another Session")
		}
		after(s, err)
	})
	return v, res.StatusCode
}

func TestUpgradeReadsAgain(t *testing.T) {
	t.Parallel()
	for _, first := range []session.Mode{session.ReadOnly, session.Optimistic} {
		v, status := upgraded(t, session.Options{}, first, func(s *session.Session) {
			if n := count.Get(s); n != 0 {
				t.Errorf("count = %d", n)
			}
		}, func(s *session.Session, err error) {
			if err != nil || count.Get(s) != 7 || s.Mode() != session.Exclusive {
				t.Errorf("%v: count = %d as %v, error %v", first, count.Get(s), s.Mode(), err)
			}
			_ = count.Set(s, count.Get(s)+1)
		})
		v.do(func(s *session.Session) {
			if n := count.Get(s); n != 8 || status != http.StatusOK {
				t.Errorf("%v: count = %d, status %d", first, n, status)
			}
		})
	}
}

func TestUpgradeKeepsChanges(t *testing.T) {
	t.Parallel()
	v, status := upgraded(t, session.Options{}, session.Optimistic, func(s *session.Session) {
		_ = user.Set(s, "mine")
		add(s, 1)
	}, func(s *session.Session, err error) {
		if err != nil || count.Get(s) != 8 || user.Get(s) != "mine" {
			t.Errorf("count = %d, user = %q, error %v", count.Get(s), user.Get(s), err)
		}
	})
	v.do(func(s *session.Session) {
		if count.Get(s) != 8 || user.Get(s) != "mine" || status != http.StatusOK {
			t.Errorf("count = %d, user = %q, status %d", count.Get(s), user.Get(s), status)
		}
	})
}

func TestUpgradeOverwrites(t *testing.T) {
	t.Parallel()
	for _, reject := range []bool{false, true} {
		rec := new(recorder)
		_, status := upgraded(t, session.Options{Observer: rec, RejectStale: reject}, session.Optimistic, func(s *session.Session) {
			_ = count.Set(s, count.Get(s)+1)
		}, func(s *session.Session, err error) {
			if errors.Is(err, session.ErrConflict) != reject {
				t.Errorf("reject %v: error %v", reject, err)
			}
		})
		if got := rec.count(session.EventOverwritten) > 0; got == reject {
			t.Errorf("reject %v: overwritten %v, status %d", reject, got, status)
		}
	}
}

// What was read before the upgrade and is set after it replaces what another request has stored in between, as it does
// without a lock. What was read again does not.
func TestUpgradeShowsStaleReads(t *testing.T) {
	t.Parallel()
	for _, reject := range []bool{false, true} {
		for _, again := range []bool{false, true} {
			rec := new(recorder)
			n := 0
			_, status := upgraded(t, session.Options{Observer: rec, RejectStale: reject}, session.Optimistic, func(s *session.Session) {
				n = count.Get(s)
			}, func(s *session.Session, err error) {
				if again {
					n = count.Get(s)
				}
				if err := errors.Join(err, count.Set(s, n+1)); errors.Is(err, session.ErrConflict) != (reject && !again) {
					t.Errorf("reject %v, read again %v: error %v", reject, again, err)
				}
			})
			want := http.StatusOK
			if reject && !again {
				want = http.StatusServiceUnavailable
			}
			if got := rec.count(session.EventOverwritten) > 0; status != want || got != (!reject && !again) {
				t.Errorf("reject %v, read again %v: status %d, overwritten %v", reject, again, status, got)
			}
		}
	}
}

// The function of an Update that uses its session is a mistake that panics, also when an upgrade runs it again: it would
// wait for itself for ever.
func TestUpgradeRunsUpdatesAsEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		managers, v := nodes(t, 2, session.Options{})
		v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.Get(r.Context())
			again := false
			_ = count.Update(s, func(n int) int {
				if again {
					user.Get(s)
				}
				return n + 1
			})
			again = true
			v.on(managers[1]).do(func(s *session.Session) { _ = count.Set(s, 7) })
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				again = false
			}()
			_, _ = session.Get(r.Context(), session.Exclusive)
		})
		if _, err := v.ask(t.Context(), session.Exclusive, func(*session.Session) {}); err != nil {
			t.Errorf("the next request: %v", err)
		}
	})
}

func TestUpgradeOfAnEndedSession(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*session.Session){
		"destroyed": func(s *session.Session) { _ = s.Destroy() },
		"renewed":   func(s *session.Session) { _ = s.Renew() },
	} {
		managers, v := nodes(t, 2, session.Options{})
		v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.Get(r.Context())
			v.on(managers[1]).do(end)
			for range 2 { // the second time without asking the store
				if _, err := session.Get(r.Context(), session.Exclusive); !errors.Is(err, session.ErrNotFound) || session.StatusCode(err) != http.StatusConflict {
					t.Errorf("%s: %v", name, err)
				}
			}
			if count.Get(s) != 0 {
				t.Errorf("%s: the session that the request has has changed", name)
			}
		})
	}
}

func TestUpgradeInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		managers, v := nodes(t, 2, session.Options{Observer: session.Silent{}})
		v.busy(time.Minute)
		v.on(managers[1]).serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.Get(r.Context())
			begin := time.Now()
			for range 3 { // several parts of a program that ask do not wait one after the other
				if got, err := session.Get(r.Context(), session.Exclusive); got != nil || !errors.Is(err, session.ErrLocked) {
					t.Errorf("error %v", err)
				}
			}
			if d := time.Since(begin); d != 5*time.Second {
				t.Errorf("waited for %v", d)
			}
			if got, err := session.Get(r.Context()); got != s || err != nil || s.Mode() != session.Optimistic {
				t.Errorf("the session is not as it was: %v", err)
			}
			_ = user.Set(s, "optimistic")
		})
		v.do(func(s *session.Session) {
			if user.Get(s) != "optimistic" {
				t.Error("a request that does not lock must not wait")
			}
		})
		time.Sleep(time.Minute)
		v.do(func(s *session.Session) {
			if count.Get(s) != 1000 || user.Get(s) != "optimistic" {
				t.Errorf("count = %d, user = %q: changes of requests that do not lock are merged", count.Get(s), user.Get(s))
			}
		})
	})
}

func TestUpgradeOrReadOnly(t *testing.T) {
	t.Parallel()
	for _, pending := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			managers, v := nodes(t, 2, session.Options{Observer: session.Silent{}})
			v.busy(10 * time.Second)
			v.on(managers[1]).serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
				s, _ := session.Get(r.Context())
				if pending {
					_ = user.Set(s, "pending")
				}
				begin := time.Now()
				_, err := session.Get(r.Context(), session.Exclusive.OrReadOnly())
				_, again := session.Get(r.Context(), session.Exclusive.OrReadOnly())
				if d := time.Since(begin); d != 5*time.Second || errors.Is(err, session.ErrLocked) != pending || (again == nil) == pending {
					t.Errorf("pending %v: after %v: %v, %v", pending, d, err, again)
				}
				if readOnly := s.Mode() == session.ReadOnly; readOnly == pending {
					t.Errorf("pending %v: the session is %v", pending, s.Mode())
				}
			})
			v.do(func(s *session.Session) {
				if (user.Get(s) == "pending") != pending {
					t.Errorf("pending %v: user = %q", pending, user.Get(s))
				}
			})
			time.Sleep(10 * time.Second)
		})
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.Mode{session.Optimistic, session.Exclusive} {
		managers, v := nodes(t, 2, session.Options{Observer: session.Silent{}})
		res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Get(r.Context(), mode)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Renew()
			_ = count.Set(s, 5)
			if err := s.Release(); err != nil {
				t.Error(err)
			}
			if count.Get(s) != 5 || !errors.Is(count.Set(s, 6), session.ErrCommitted) || s.Release() != nil {
				t.Error("after Release the session can be read, and not changed")
			}
			if _, err := session.Get(r.Context(), session.Exclusive); !errors.Is(err, session.ErrCommitted) {
				t.Errorf("Exclusive after Release: %v", err)
			}
			if s.LockLost() != nil {
				t.Error("a lock after Release")
			}
			w.WriteHeader(http.StatusAccepted)
		})
		if res.StatusCode != http.StatusAccepted || len(res.Cookies()) != 1 {
			t.Errorf("status %d, cookies %v: the response tells the new token", res.StatusCode, res.Cookies())
		}
		v.on(managers[1]).do(func(s *session.Session) {
			if n := count.Get(s); n != 5 {
				t.Errorf("count = %d", n)
			}
		})
	}
}

func TestFailedReleaseFailsTheResponse(t *testing.T) {
	t.Parallel()
	store, v, _ := pair(t, session.Options{Observer: session.Silent{}})
	res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.Get(r.Context(), session.Exclusive)
		_ = count.Set(s, 5)
		store.on("write-release", unavailable)
		if err := s.Release(); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Release: %v", err)
		}
		store.on("write-release", nil)
		w.WriteHeader(http.StatusOK)
	})
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", res.StatusCode)
	}
}
