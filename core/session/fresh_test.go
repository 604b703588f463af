package session_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

func TestASVS_7_5_1_RequireFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sessiontest.NewFaulty(memstore.New(nil))
		m := newManager(t, store, session.Options{Observer: session.Silent{}})
		paid := 0
		pay := m.RequireFresh(5*time.Minute, nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { paid++ }))
		v := newVisitor(t, m)
		try := func(when string, want int) {
			t.Helper()
			before := paid
			res := v.serve(context.Background(), pay.ServeHTTP)
			if res.StatusCode != want || (paid > before) != (want == http.StatusOK) {
				t.Errorf("%s: status %d, paid %v; want %d", when, res.StatusCode, paid > before, want)
			}
		}
		try("without a session", http.StatusUnauthorized)
		v.do(func(s *session.Session) { _ = user.Set(s, "anonymous") })
		try("without an authentication", http.StatusUnauthorized)
		login(v, "ann")
		try("after the login", http.StatusOK)
		time.Sleep(5*time.Minute - time.Millisecond)
		try("just within", http.StatusOK)
		time.Sleep(time.Millisecond)
		v.do(func(s *session.Session) { _ = s.Renew(); _ = count.Set(s, 1) })
		try("too late, whatever the session does", http.StatusUnauthorized)
		v.do(func(s *session.Session) { _ = s.Authenticated() })
		try("authenticated again", http.StatusOK)
		store.Before(sessiontest.OpRead, -1, sessiontest.Fail)
		try("without the store", http.StatusServiceUnavailable)
		store.Heal()
		denied := m.RequireFresh(0, http.RedirectHandler("/login", http.StatusSeeOther))(pay)
		if res := v.serve(context.Background(), denied.ServeHTTP); res.StatusCode != http.StatusSeeOther {
			t.Errorf("a denial of the application's own: status %d", res.StatusCode)
		}
	})
}

// A remembered user has shown no password: he is bound, and fresh only once he has.
func TestASVS_7_5_1_RememberedIsNotFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{AbsoluteTimeout: 8 * time.Hour, IdleTimeout: 8 * time.Hour, TouchInterval: -1})
		v := newVisitor(t, m)
		bind := func(s *session.Session) {
			if err := s.Bind(session.Login{Subject: "ann", Remembered: true}); err != nil {
				t.Error(err)
			}
			_ = user.Set(s, "ann")
		}
		fresh := func(want bool) {
			t.Helper()
			v.do(func(s *session.Session) {
				if s.Fresh(time.Hour) != want || s.AuthenticatedAt().IsZero() == want || s.Handle() == "" {
					t.Errorf("authenticated at %v, handle %q, want fresh: %v", s.AuthenticatedAt(), s.Handle(), want)
				}
			})
		}
		set(v, "anonymous")
		before := v.on(m)
		v.do(bind)
		if nameOf(before) != "" {
			t.Error("the session was not renewed")
		}
		fresh(false)
		if n := len(list(t, m, "ann")); n != 1 {
			t.Errorf("%d sessions are listed, want 1", n)
		}
		v.do(func(s *session.Session) { _ = s.Authenticated() })
		fresh(true)
		v.do(bind) // once more: what was known of an authentication is not
		fresh(false)
		if n := len(list(t, m, "ann")); n != 1 {
			t.Errorf("%d sessions are listed, want 1", n)
		}
	})
}

// Re-authentication renews the id and begins both timers again; a login counts from itself (ASVS 7.3.2).
func TestASVS_7_3_2_AuthenticationBeginsTheTimersAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{IdleTimeout: 4 * time.Hour, AbsoluteTimeout: 8 * time.Hour}))
		set(v, "anonymous")
		time.Sleep(3 * time.Hour)
		login(v, "ann")
		wantLife(t, v, "after the login", 4*time.Hour, 8*time.Hour)
		time.Sleep(3 * time.Hour)
		old := v.cookie
		v.do(func(s *session.Session) { _ = s.Authenticated() })
		wantLife(t, v, "authenticated again", 4*time.Hour, 8*time.Hour)
		if v.cookie == old {
			t.Error("the id is the old one")
		}
		time.Sleep(time.Hour)
		v.do(func(s *session.Session) {
			_ = s.Authenticated()
			_ = s.SetLimits(session.Limits{Absolute: 2 * time.Hour})
		})
		wantLife(t, v, "with a limit of its own", 2*time.Hour, 2*time.Hour)
		time.Sleep(time.Hour)
		v.do(func(s *session.Session) {
			if at := s.AuthenticatedAt(); time.Since(at) != time.Hour {
				t.Errorf("authenticated %v ago", time.Since(at))
			}
			_ = s.Authenticated()
		})
		wantLife(t, v, "with that limit once more", 2*time.Hour, 2*time.Hour)
	})
}

// The index outlives a session that was given a longer life after its login.
func TestIndexKnowsLongerLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{})
		v, _ := logins(t, m, "ann", 1)
		v[0].do(func(s *session.Session) {
			_ = s.SetLimits(session.Limits{Idle: 60 * 24 * time.Hour, Absolute: 90 * 24 * time.Hour})
		})
		time.Sleep(50 * 24 * time.Hour)
		if nameOf(v[0]) != "ann" || len(list(t, m, "ann")) != 1 {
			t.Fatalf("the session is %q's, and the list is %v", nameOf(v[0]), list(t, m, "ann"))
		}
		if err := m.EndAllSessions(t.Context(), "ann"); err != nil || nameOf(v[0]) != "" {
			t.Errorf("%v, the session is %q's", err, nameOf(v[0]))
		}
	})
}
