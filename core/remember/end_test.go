package remember_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestEnd(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		phone, laptop := issue(t, l, "ann"), issue(t, l, "ann")
		if who, err := l.Subject(t.Context(), phone); err != nil || who != "ann" {
			t.Errorf("subject: %q, %v", who, err)
		}
		gone, err := l.Forget(t.Context(), phone)
		if err != nil || gone.MaxAge >= 0 || gone.Value != "" || gone.Name != l.Name() {
			t.Errorf("forget: %v, %v", gone, err)
		}
		refused(t, l, phone, session.ErrNotFound)
		if who, err := l.Subject(t.Context(), phone); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("subject of what is gone: %q, %v", who, err)
		}
		before := laptop
		laptop = use(t, l, laptop, "ann")
		if _, err := l.Forget(t.Context(), laptop[:43]+phone[43:]); err != nil {
			t.Errorf("forget with a wrong validator: %v", err)
		}
		use(t, l, laptop, "ann")
		for _, value := range []string{"", "x", phone} {
			if _, err := l.Forget(t.Context(), value); err != nil {
				t.Errorf("forget what is not there: %v", err)
			}
		}
		epoch, err := l.Epoch(t.Context(), "ann") // a login looks at the old password
		if err != nil {
			t.Fatal(err)
		}
		if err := l.EndAll(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		refused(t, l, laptop, session.ErrNotFound)
		if _, err := l.Forget(t.Context(), before); err != nil {
			t.Errorf("forget what was ended: %v", err)
		}
		if _, err := l.Issue(t.Context(), "ann", epoch); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("issue for an ended epoch: %v, want ErrNotFound", err)
		}
		replaced := issue(t, l, "ann")
		next := use(t, l, replaced, "ann")
		if _, err := l.Forget(t.Context(), replaced); err != nil { // a tab that is late logs out all the same
			t.Errorf("forget: %v", err)
		}
		refused(t, l, next, session.ErrNotFound)
	})
}

// TestEndByHandle ends one credential, and the others, by what a page of devices knows of them.
func TestEndByHandle(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		here, phone, lost, bob := issue(t, l, "ann"), issue(t, l, "ann"), issue(t, l, "ann"), issue(t, l, "bob")
		handle := l.Handle(here)
		here = use(t, l, here, "ann")
		if h := l.Handle(here); h != handle || h == l.Handle(phone) || strings.Contains(here, h) || l.Handle("x") != "" {
			t.Errorf("the handle is %q, and was %q", h, handle)
		}
		for _, h := range []string{l.Handle(phone), "", "x", l.Handle(bob)} {
			if err := l.End(t.Context(), "ann", h); err != nil {
				t.Errorf("end %q: %v", h, err)
			}
		}
		refused(t, l, phone, session.ErrNotFound)
		use(t, l, bob, "bob")
		epoch, err := l.Epoch(t.Context(), "ann")
		if err == nil {
			err = l.EndOthers(t.Context(), "ann", handle)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused(t, l, lost, session.ErrNotFound)
		here = use(t, l, here, "ann")
		if _, err := l.Issue(t.Context(), "ann", epoch); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("issue to a login from before: %v, want ErrNotFound", err)
		}
		if err := l.EndOthers(t.Context(), "ann", ""); err != nil {
			t.Fatal(err)
		}
		refused(t, l, here, session.ErrNotFound)
		for _, err := range []error{l.End(t.Context(), "", handle), l.EndOthers(t.Context(), "", handle), l.EndAll(t.Context(), "")} {
			if err == nil {
				t.Error("nobody has ended credentials")
			}
		}
	})
}

// TestEndEverything wants one call on one node to end what users are remembered by on all, in whatever store it is.
func TestEndEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sessions, credentials := memstore.New(nil), memstore.New(nil)
		var managers [2]*session.Manager
		var nodes [2]*remember.Logins
		for i := range nodes {
			managers[i] = newManager(t, sessions, session.Options{EraInterval: time.Minute})
			nodes[i] = newLoginsOf(t, managers[i], credentials, remember.Options{})
		}
		for range 2 {
			ann, bob := issue(t, nodes[0], "ann"), issue(t, nodes[1], "bob")
			ann = use(t, nodes[1], ann, "ann")
			if err := managers[0].EndEverything(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, l := range nodes {
				refused(t, l, ann, session.ErrNotFound)
				refused(t, l, bob, session.ErrNotFound)
				if who, err := l.Subject(t.Context(), bob); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("subject of what was ended: %q, %v", who, err)
				}
			}
			use(t, nodes[1], issue(t, nodes[0], "ann"), "ann")
		}
	})
	// Without the era nobody can know what has ended.
	down := &watched{Handler: memstore.New(nil), down: true}
	store := memstore.New(nil)
	v := issue(t, newLogins(t, store, remember.Options{}), "ann")
	l := newLoginsOf(t, newManager(t, down, session.Options{EraInterval: time.Minute}), store, remember.Options{})
	refused(t, l, v, session.ErrUnavailable)
	if _, err := l.Subject(t.Context(), v); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("subject: %v, want ErrUnavailable", err)
	}
	if _, err := l.Issue(t.Context(), "ann", remember.Epoch{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("issue: %v, want ErrUnavailable", err)
	}
}
