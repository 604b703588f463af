package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

func TestASVS_7_4_5_EndEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, o := memstore.New(nil), session.Options{EraInterval: time.Second}
		a, b := newManager(t, shared{store}, o), newManager(t, shared{store}, o)
		var visitors []*visitor
		for _, m := range []*session.Manager{a, b} {
			bound, anonymous := newVisitor(t, m), newVisitor(t, m)
			login(bound, "ann")
			set(anonymous, "x")
			visitors = append(visitors, bound, anonymous)
		}
		for round := range 3 {
			res := visitors[3].do(func(s *session.Session) { // a request that began before
				for _, v := range visitors {
					if nameOf(v.on(b)) == "" {
						t.Fatal("a session is not there")
					}
				}
				begin := time.Now()
				if err := a.EndEverything(t.Context()); err != nil || time.Since(begin) != time.Second {
					t.Errorf("EndEverything: %v after %v", err, time.Since(begin))
				}
				_ = s.Renew()
			})
			if res.StatusCode != http.StatusOK {
				t.Errorf("status %d", res.StatusCode)
			}
			for i, v := range visitors {
				for _, m := range []*session.Manager{a, b} {
					if name := nameOf(v.on(m)); name != "" {
						t.Errorf("round %d: session %d is %q's", round, i, name)
					}
				}
			}
			if l := list(t, b, "ann"); len(l) != 0 {
				t.Errorf("the list has %v", l)
			}
			fresh := newManager(t, shared{store}, o) // has never heard of it
			for i, v := range visitors {
				v.m = fresh
				if i%2 == 0 {
					login(v, "ann")
				} else {
					set(v, "x")
				}
			}
			if l := list(t, b, "ann"); len(l) != 2 {
				t.Errorf("after new logins the list has %v", l)
			}
		}
	})
}

// A login that has looked at a password, or at what remembers the user, before everything ended does not begin a session after.
func TestASVS_7_4_5_EndEverythingRefusesLoginsOnTheirWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{EraInterval: time.Second})
		for name, give := range map[string]bool{"before Bind": true, "before the commit": false} {
			v, late := newVisitor(t, m), session.Login{Subject: "ann"}
			end := func() {
				if err := m.EndEverything(t.Context()); err != nil {
					t.Error(err)
				}
			}
			res := v.do(func(s *session.Session) {
				if give {
					late.Epoch = epochOf(t, m, "ann")
					end()
				}
				err := s.Bind(late)
				if give != errors.Is(err, session.ErrNotFound) {
					t.Errorf("%s: bind: %v", name, err)
				}
				_ = user.Set(s, "ann")
				if !give {
					end()
				}
			})
			if res.StatusCode == http.StatusOK || nameOf(v) != "" {
				t.Errorf("%s: status %d, the session is %q's", name, res.StatusCode, nameOf(v))
			}
			if _, status := login(v, "ann"); status != http.StatusOK || nameOf(v) != "ann" {
				t.Errorf("%s: a later login: status %d", name, status)
			}
		}
	})
}

func epochOf(t *testing.T, m *session.Manager, subject string) session.Epoch {
	t.Helper()
	epoch, err := m.SubjectEpoch(t.Context(), subject)
	if err != nil {
		t.Error(err)
	}
	return epoch
}

// It costs a read in EraInterval, and no request waits for it but the first.
func TestEraIsReadSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		v := newVisitor(t, newManager(t, store, session.Options{EraInterval: 10 * time.Second}))
		set(v, "x")
		store.take()
		for range 1000 {
			nameOf(v)
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if calls := store.take(); calls["read"] > 1003 {
			t.Errorf("1,000 requests in 10 s cost %v", calls)
		}
	})
}

func TestEndEverythingFails(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	if err := m.EndEverything(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without EraInterval: %v", err)
	}
	if _, err := session.New(memstore.New(nil), session.Options{EraInterval: time.Millisecond}); err == nil {
		t.Error("an EraInterval of 1 ms is accepted")
	}
	f := sessiontest.NewFaulty(memstore.New(nil))
	m = newManager(t, f, session.Options{EraInterval: 100 * time.Millisecond, Observer: session.Silent{}})
	f.Before(sessiontest.OpWrite, -1, sessiontest.Fail)
	if err := m.EndEverything(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("without the store: %v", err)
	}
	f.Heal()
	// A session is not served by who cannot know that it lives.
	v := newVisitor(t, m)
	set(v, "x")
	time.Sleep(150 * time.Millisecond)
	f.Before(sessiontest.OpRead, 1, func(_ context.Context) error { return nil })
	f.Before(sessiontest.OpRead, -1, sessiontest.Fail)
	if res := v.do(func(*session.Session) {}); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the era cannot be read: status %d", res.StatusCode)
	}
}
