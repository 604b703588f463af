package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

func TestASVS_7_1_2_MaxEndsTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{Subjects: session.SubjectOptions{Max: 2}})
		var v []*visitor
		for range 4 {
			next, _ := logins(t, m, "ann", 1)
			v = append(v, next...)
			time.Sleep(time.Minute)
		}
		if got := []string{nameOf(v[0]), nameOf(v[1]), nameOf(v[2]), nameOf(v[3])}; !slices.Equal(got, []string{"", "", "ann", "ann"}) {
			t.Errorf("the sessions are %q", got)
		}
		// one that has ended by itself makes room
		v[2].do(func(s *session.Session) { _ = s.Destroy() })
		logins(t, m, "ann", 1)
		if nameOf(v[3]) != "ann" || len(list(t, m, "ann")) != 2 {
			t.Error("a living session was ended although one had ended by itself")
		}
	})
}

func TestASVS_7_1_2_MaxRefusesTheNewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{Subjects: session.SubjectOptions{Max: 2, RefuseNewest: true}})
		v, h := logins(t, m, "ann", 2)
		third := newVisitor(t, m)
		var err error
		res := third.do(func(s *session.Session) { err = s.Bind(session.Login{Subject: "ann"}) })
		if !errors.Is(err, session.ErrTooManySessions) || res.StatusCode != http.StatusOK || third.cookie != "" {
			t.Errorf("the third: %v, status %d", err, res.StatusCode)
		}
		// a program that does not look at the error logs nobody in
		res = third.do(func(s *session.Session) { _ = user.Set(s, "ann"); _ = s.Bind(session.Login{Subject: "ann"}) })
		if res.StatusCode != http.StatusConflict || nameOf(third) != "" {
			t.Errorf("an error that is ignored: status %d, the session is %q's", res.StatusCode, nameOf(third))
		}
		if _, status := login(v[0], "ann"); status != http.StatusOK {
			t.Errorf("another login in a session that counts already: %d", status)
		}
		if err := m.EndSession(t.Context(), "ann", h[1]); err != nil {
			t.Error(err)
		}
		if _, status := login(third, "ann"); status != http.StatusOK {
			t.Errorf("after one was ended: %d", status)
		}
		time.Sleep(2 * time.Hour) // all have expired
		if _, status := login(newVisitor(t, m), "ann"); status != http.StatusOK {
			t.Errorf("after all have expired: %d", status)
		}
	})
}

// 30 logins at once on three nodes, of which 3 may win.
func TestASVS_7_1_2_MaxHoldsUnderParallelLogins(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{true, false} {
		o := session.Options{Subjects: session.SubjectOptions{Max: 3, RefuseNewest: refuse}, CommitTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second}
		store := memstore.New(nil)
		nodes := []*session.Manager{newManager(t, shared{store}, o), newManager(t, shared{store}, o), newManager(t, shared{store}, o)}
		visitors := make([]*visitor, 30)
		var wg sync.WaitGroup
		for i := range visitors {
			visitors[i] = newVisitor(t, nodes[i%3])
			wg.Go(func() {
				_, status := login(visitors[i], "ann")
				if status != http.StatusOK && status != http.StatusConflict {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		alive := 0
		for _, v := range visitors {
			if nameOf(v) != "" {
				alive++
			}
		}
		if alive != 3 || len(list(t, nodes[0], "ann")) != 3 {
			t.Errorf("refuse newest %v: %d sessions live, and the list has %d; want 3", refuse, alive, len(list(t, nodes[0], "ann")))
		}
	}
}

// Each store call of an end fails in turn. What returned an error is finished by whoever comes next.
func TestEndThatFailsHalfway(t *testing.T) {
	t.Parallel()
	for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy} {
		for skip := range 4 {
			f := sessiontest.NewFaulty(memstore.New(nil))
			m := newManager(t, f, session.Options{Observer: session.Silent{}})
			v, _ := logins(t, m, "ann", 3)
			for range skip {
				f.Before(op, 1, func(context.Context) error { return nil })
			}
			f.Before(op, 2, sessiontest.Fail)
			err := m.EndAllSessions(t.Context(), "ann")
			f.Heal()
			if err != nil {
				if err = m.EndAllSessions(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
			}
			for i := range v {
				if nameOf(v[i]) != "" {
					t.Errorf("%v fails after %d: session %d lives", op, skip, i)
				}
			}
			if l := list(t, m, "ann"); len(l) != 0 {
				t.Errorf("%v fails after %d: the list has %d", op, skip, len(l))
			}
		}
	}
}

// Each store call of a login fails in turn. The visitor is logged in and in the list, or neither.
func TestLoginThatFailsHalfway(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"before", "after"} {
		for skip := range 4 {
			f := sessiontest.NewFaulty(memstore.New(nil))
			m := newManager(t, f, session.Options{Observer: session.Silent{}})
			v := newVisitor(t, m)
			v.do(func(s *session.Session) { _ = count.Set(s, 7) })
			set := f.Before
			if fault == "after" {
				set = f.After
			}
			for range skip {
				set(sessiontest.OpWrite, 1, func(context.Context) error { return nil })
			}
			set(sessiontest.OpWrite, 2, sessiontest.Fail)
			_, status := login(v, "ann")
			f.Heal()
			in, n := nameOf(v) == "ann", len(list(t, m, "ann"))
			kept := false
			v.do(func(s *session.Session) { kept = count.Get(s) == 7 })
			if !kept || in != (n == 1) || in != (status == http.StatusOK) {
				t.Errorf("%s, after %d writes: status %d, logged in %v, %d in the list, data kept %v", fault, skip, status, in, n, kept)
			}
		}
	}
}

func TestBindRefusesNonsense(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	many := map[string]string{}
	for i := range 9 {
		many[fmt.Sprint(i)] = ""
	}
	for name, l := range map[string]session.Login{
		"no subject":      {},
		"many attributes": {Subject: "ann", Attributes: many},
		"long name":       {Subject: "ann", Attributes: map[string]string{strings.Repeat("x", 257): ""}},
	} {
		v := newVisitor(t, m)
		res := v.do(func(s *session.Session) { _ = s.Bind(l); _ = user.Set(s, "ann") })
		if res.StatusCode != http.StatusInternalServerError || v.cookie != "" {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
	}
	v := newVisitor(t, m)
	v.do(func(s *session.Session) {
		_ = s.Bind(session.Login{Subject: "ann", Attributes: map[string]string{"device": strings.Repeat("ä", 200), "address": "\xff1"}})
	})
	got := list(t, m, "ann")[0].Attributes
	if got["device"] != strings.Repeat("ä", 127) || got["address"] != "1" {
		t.Errorf("attributes %q", got)
	}
	if _, err := session.New(memstore.New(nil), session.Options{Subjects: session.SubjectOptions{Max: -1}}); err == nil || !strings.Contains(err.Error(), "Subjects.Max") {
		t.Errorf("Max -1: %v", err)
	}
}

// What is kept of the subject shows it nowhere.
func TestD5SubjectsAreHashed(t *testing.T) {
	t.Parallel()
	store := newRecording()
	m := newManager(t, store, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) {
		_ = s.Bind(session.Login{Subject: "ann@example.com"})
		if names := s.Names(); len(names) != 0 {
			t.Errorf("names %q", names)
		}
	})
	list(t, m, "ann@example.com")
	if store.holds("ann@example.com") {
		t.Error("the subject is in the store")
	}
}

// A session that is bound costs no call more than another one, but for its login, its renewal and its logout.
func TestBoundSessionsCostNoCalls(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, store, session.Options{})
	v, _ := logins(t, m, "ann", 1)
	if calls := store.take(); calls["read"] != 1 || calls["write"] != 2 {
		t.Errorf("a login without a session before cost %v", calls)
	}
	login(v[0], "ann")
	if calls := store.take(); calls["read"] != 2 || calls["write"] != 3 {
		t.Errorf("a login with a session before cost %v", calls)
	}
	nameOf(v[0])
	if calls := store.take(); calls["read"] != 1 || len(calls) != 1 {
		t.Errorf("reading cost %v", calls)
	}
	v[0].do(func(s *session.Session) { _ = count.Set(s, 1) })
	if calls := store.take(); calls["read"] != 1 || calls["write"] != 1 || len(calls) != 2 {
		t.Errorf("changing cost %v", calls)
	}
}
