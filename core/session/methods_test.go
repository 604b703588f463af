package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// again authenticates a visitor once more.
func again(t *testing.T, v *visitor, methods ...string) {
	t.Helper()
	v.do(func(s *session.Session) {
		if err := s.Authenticated(methods...); err != nil {
			t.Error(err)
		}
	})
}

// A second factor counts from when it was shown, whatever else happens, and belongs to one login.
func TestL12_Methods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{RenewInterval: 3 * time.Minute})
		v := newVisitor(t, m)
		pay := m.RequireFresh(10*time.Minute, nil, "pwd", "otp")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		want := func(when string, pwd, otp bool) {
			t.Helper()
			v.do(func(s *session.Session) {
				if got := s.Fresh(10*time.Minute, "pwd"); got != pwd {
					t.Errorf("%s: the password is fresh: %v", when, got)
				}
				if got := s.Fresh(10*time.Minute, "otp"); got != otp {
					t.Errorf("%s: the second factor is fresh: %v", when, got)
				}
				if s.Fresh(time.Hour, "hwk") || !s.AuthenticatedAt("hwk").IsZero() {
					t.Errorf("%s: there is a method that was never used", when)
				}
			})
			if res := v.serve(context.Background(), pay.ServeHTTP); (res.StatusCode == http.StatusOK) != (pwd && otp) {
				t.Errorf("%s: RequireFresh answers %d", when, res.StatusCode)
			}
		}
		bind := func(l session.Login) {
			v.do(func(s *session.Session) {
				if err := s.Bind(l); err != nil {
					t.Error(err)
				}
				_ = user.Set(s, l.Subject)
			})
		}
		set(v, "anonymous")
		want("before the login", false, false)
		bind(session.Login{Subject: "ann", Methods: []string{"pwd"}})
		want("after the login", true, false)
		time.Sleep(6 * time.Minute)
		again(t, v, "otp")
		want("with a second factor", true, true)
		time.Sleep(6 * time.Minute)
		want("the password is old", false, true)
		again(t, v)
		v.do(func(s *session.Session) {
			if !s.Fresh(time.Second) || time.Since(s.AuthenticatedAt("pwd", "otp")) != 12*time.Minute {
				t.Errorf("both hold since %v", s.AuthenticatedAt("pwd", "otp"))
			}
		})
		again(t, v, "pwd", "pwd")
		want("both", true, true)
		v.do(func(s *session.Session) { _ = s.Renew() })
		want("renewed", true, true)
		bind(session.Login{Subject: "bob", Methods: []string{"pwd"}})
		want("somebody else", true, false)
		again(t, v, "otp")
		bind(session.Login{Subject: "bob", Remembered: true})
		want("remembered", false, false)
	})
}

// Nobody comes to a higher level because two of his requests meet.
func TestL12_MethodsOfTwoRequests(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v := newVisitor(t, m)
	login(v, "ann")
	tab := v.on(m)
	res := v.do(func(s *session.Session) {
		_ = s.Authenticated("pwd")
		again(t, tab, "otp") // renews the session, so that this one is too late
	})
	if res.StatusCode != http.StatusConflict {
		t.Errorf("status %d", res.StatusCode)
	}
	tab.do(func(s *session.Session) {
		if !s.Fresh(time.Hour, "otp") || s.Fresh(time.Hour, "pwd") {
			t.Error("the session has what was refused, or not what was taken")
		}
	})
}

func TestL12_TheLatestMethodsAreKept(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	login(v, "ann")
	for name := range strings.SplitSeq("abcdefghij", "") {
		again(t, v, name)
	}
	v.do(func(s *session.Session) {
		if s.Fresh(time.Hour, "a") || s.Fresh(time.Hour, "b") || !s.Fresh(time.Hour, strings.Split("cdefghij", "")...) {
			t.Error("not the eight latest are kept")
		}
	})
}

func TestL12_BadMethods(t *testing.T) {
	t.Parallel()
	for name, methods := range map[string][]string{
		"empty": {"pwd", ""}, "long": {strings.Repeat("m", 33)}, "many": make([]string, 9),
	} {
		v := newVisitor(t, newManager(t, nil, session.Options{}))
		v.do(func(s *session.Session) {
			_ = user.Set(s, "ann")
			if err := s.Authenticated(methods...); err == nil || !strings.Contains(err.Error(), "method") || !s.AuthenticatedAt().IsZero() {
				t.Errorf("%s: Authenticated: %v", name, err)
			}
		})
		res := v.do(func(s *session.Session) {
			if err := s.Bind(session.Login{Subject: "ann", Methods: methods}); err == nil || !strings.Contains(err.Error(), "Login.Methods") {
				t.Errorf("%s: Bind: %v", name, err)
			}
		})
		if res.StatusCode != http.StatusInternalServerError || nameOf(v) != "ann" {
			t.Errorf("%s: status %d, %q", name, res.StatusCode, nameOf(v))
		}
	}
	newVisitor(t, newManager(t, nil, session.Options{})).do(func(s *session.Session) {
		if s.Bind(session.Login{Subject: "ann", Remembered: true, Methods: []string{"pwd"}}) == nil {
			t.Error("a remembered user has shown a password")
		}
	})
}
