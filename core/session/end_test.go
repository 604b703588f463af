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

// A renewal commits between the logout's load and its commit.
func TestLogoutEndsWhatARenewalMadeOfTheSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	logout := v.on(m)
	res := logout.do(func(s *session.Session) {
		user.Get(s)
		v.do(func(s *session.Session) { _ = s.Renew() })
		_ = s.Destroy()
	})
	v.do(func(s *session.Session) {
		if res.StatusCode == 200 && user.Get(s) == "ann" {
			t.Error("logout was acknowledged, but the session lives on under the renewed id")
		}
	})
}

// The exchange of the ids is applied, and nobody says so.
func TestRenewWhoseRepliesAreLost(t *testing.T) {
	t.Parallel()
	f := sessiontest.NewFaulty(memstore.New(nil))
	v := newVisitor(t, newManager(t, f, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	f.After(sessiontest.OpWrite, 1, func(context.Context) error { return nil }) // the data under the new id
	f.After(sessiontest.OpWrite, 2, sessiontest.Fail)                           // the exchange, and its repeat
	if res := v.do(func(s *session.Session) { _ = s.Renew() }); res.StatusCode != http.StatusOK {
		t.Errorf("status = %d: the session was renewed", res.StatusCode)
	}
	v.do(func(s *session.Session) {
		if user.Get(s) != "ann" {
			t.Error("the session is gone under either id")
		}
	})
}

// One lost reply, with too little of the budget left to repeat the call.
func TestRenewWithoutTimeForARepeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := sessiontest.NewFaulty(memstore.New(nil))
		v := newVisitor(t, newManager(t, f, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		f.After(sessiontest.OpWrite, 1, func(context.Context) error { time.Sleep(300 * time.Millisecond); return nil })
		f.After(sessiontest.OpWrite, 1, func(context.Context) error { time.Sleep(150 * time.Millisecond); return session.ErrUnavailable })
		v.do(func(s *session.Session) { _ = s.Renew() })
		v.do(func(s *session.Session) {
			if user.Get(s) != "ann" {
				t.Error("one lost reply: the whole session is gone")
			}
		})
	})
}

// A store that hangs in the middle of a renewal, and in the clean-up after it.
func TestRenewKeepsItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := sessiontest.NewFaulty(memstore.New(nil))
		v := newVisitor(t, newManager(t, f, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		hang := func(ctx context.Context) error { <-ctx.Done(); return session.ErrUnavailable }
		f.Before(sessiontest.OpWrite, 1, func(context.Context) error { return nil })
		f.Before(sessiontest.OpWrite, -1, hang)
		f.Before(sessiontest.OpDestroy, -1, hang)
		start := time.Now()
		v.do(func(s *session.Session) { _ = s.Renew() })
		if took := time.Since(start); took > 600*time.Millisecond {
			t.Errorf("the commit took %v, CommitTimeout is 600ms", took)
		}
	})
}

// A planted cookie of our name names another live session.
func TestLogoutEndsAllThatTheRequestNames(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	a, b := newVisitor(t, m), newVisitor(t, m)
	a.do(func(s *session.Session) { _ = user.Set(s, "a") })
	b.do(func(s *session.Session) { _ = user.Set(s, "b") })
	both := newVisitor(t, m)
	both.cookie = a.cookie + "; " + b.cookie
	res := both.do(func(s *session.Session) { _ = s.Destroy() })
	both.cookie = a.cookie + "; " + b.cookie
	both.do(func(s *session.Session) {
		if res.StatusCode == http.StatusOK && !s.IsNew() {
			t.Errorf("after the logout the visitor is %q", user.Get(s))
		}
	})
}
