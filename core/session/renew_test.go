package session_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

func TestRenew(t *testing.T) {
	t.Parallel()
	rec := new(recorder)
	v := newVisitor(t, newManager(t, nil, session.Options{Observer: rec}))
	v.do(func(s *session.Session) { _ = cart.Set(s, []string{"book"}) })
	old := v.on(v.m)
	res := v.do(func(s *session.Session) {
		_ = s.Renew()
		_ = user.Set(s, "ann")
	})
	if res.StatusCode != http.StatusOK || v.cookie == old.cookie {
		t.Fatalf("status = %d; the cookie must be a new one", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if user.Get(s) != "ann" || len(cart.Get(s)) != 1 {
			t.Errorf("data was lost: %q", s.Names())
		}
	})
	old.do(func(s *session.Session) {
		if !s.IsNew() || len(s.Names()) != 0 {
			t.Error("the old id still opens the session")
		}
	})
	if rec.count(session.EventRenewed) != 1 || rec.count(session.EventUnknown) != 1 {
		t.Error("want one EventRenewed and one EventUnknown")
	}
}

func TestRenewTakesConcurrentChangesAlong(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = count.Set(s, 1) })
	res := overlap(v, func(s *session.Session) { _ = cart.Set(s, []string{"book"}); add(s, 10) }, func(s *session.Session) {
		_ = s.Renew()
		add(s, 100)
	})
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status = %d", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if count.Get(s) != 111 || len(cart.Get(s)) != 1 {
			t.Errorf("count = %d, cart = %q: an acknowledged change was lost", count.Get(s), cart.Get(s))
		}
	})
}

func TestRenewRefusesLateWritesOfTheOldID(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "anonymous") })
	attacker := v.on(v.m)
	res := attacker.do(func(s *session.Session) {
		s.Names()
		v.do(func(s *session.Session) { _ = s.Renew(); _ = user.Set(s, "ann") })
		_ = user.Set(s, "mallory")
	})
	if res.StatusCode != http.StatusConflict {
		t.Errorf("status = %d, want 409", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "ann" {
			t.Errorf("user = %q", got)
		}
	})
}

func TestConcurrentRenewsHaveOneWinner(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, store, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []*visitor
	loaded := make(chan struct{})
	var ready sync.WaitGroup
	ready.Add(10)
	for range 10 {
		wg.Go(func() {
			mine := v.on(m)
			res := mine.do(func(s *session.Session) {
				ready.Done()
				<-loaded
				_ = s.Renew()
			})
			if res.StatusCode == http.StatusOK {
				mu.Lock()
				winners = append(winners, mine)
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	close(loaded)
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d renewals succeeded, want 1: the session must not fork", len(winners))
	}
	winners[0].do(func(s *session.Session) {
		if user.Get(s) != "ann" {
			t.Error("data was lost")
		}
	})
}
