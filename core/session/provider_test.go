package session_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// provided logs a visitor in from a provider's session, and calls late before the commit.
func provided(v *visitor, subject, sid string, late func()) (status int) {
	return v.do(func(s *session.Session) {
		_ = s.Bind(session.Login{Subject: subject, ProviderSession: sid}) // the commit fails with its error
		_ = user.Set(s, subject)
		if late != nil {
			late()
		}
	}).StatusCode
}

func endProvided(t *testing.T, m *session.Manager, sid string) {
	t.Helper()
	if err := m.EndProviderSession(t.Context(), sid); err != nil {
		t.Error(err)
	}
}

// A logout token that has a sid and no sub ends the sessions that came from that one, and no other.
func TestL14_EndProviderSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{RenewInterval: 10 * time.Minute})
		var v []*visitor
		for _, who := range [][2]string{{"ann", "first"}, {"ann", "first"}, {"ann", "second"}, {"bob", "first"}, {"carl", ""}} {
			v = append(v, newVisitor(t, m))
			if status := provided(v[len(v)-1], who[0], who[1], nil); status != http.StatusOK {
				t.Fatalf("%v: status %d", who, status)
			}
		}
		for range 2 { // the renewals
			time.Sleep(11 * time.Minute)
			for i := range v {
				nameOf(v[i])
			}
		}
		endProvided(t, m, "nobody's")
		endProvided(t, m, "")
		for range 2 { // once more is no error
			endProvided(t, m, "first")
			var got []string
			for i := range v {
				got = append(got, nameOf(v[i]))
			}
			if want := []string{"", "", "ann", "", "carl"}; !slices.Equal(got, want) {
				t.Errorf("the sessions are %q, want %q", got, want)
			}
		}
		if len(list(t, m, "ann")) != 1 || len(list(t, m, "bob")) != 0 {
			t.Errorf("the lists are %v and %v", list(t, m, "ann"), list(t, m, "bob"))
		}
	})
}

// What the provider has ended is no reason to log in any more, whichever of the two comes first.
func TestL14_EndProviderSessionRefusesLogins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{})
		end := func() { endProvided(t, m, "sid") }
		refused := func(when string, v *visitor, late func()) {
			t.Helper()
			if status := provided(v, "ann", "sid", late); status != http.StatusConflict || nameOf(v) != "" {
				t.Errorf("%s: status %d, the session is %q's", when, status, nameOf(v))
			}
			if l := list(t, m, "ann"); len(l) != 0 {
				t.Errorf("%s: the list is %v", when, l)
			}
		}
		v := newVisitor(t, m)
		set(v, "anonymous")
		if status := provided(v, "ann", "sid", end); status != http.StatusConflict || nameOf(v) != "anonymous" {
			t.Errorf("the end comes before the commit: status %d, the session is %q's", status, nameOf(v))
		}
		refused("after the end", newVisitor(t, m), nil)
		time.Sleep(24*time.Hour - time.Minute)
		refused("a day later", newVisitor(t, m), nil)
		other := newVisitor(t, m)
		if status := provided(other, "ann", "another one", nil); status != http.StatusOK || nameOf(other) != "ann" {
			t.Errorf("another session of the provider: status %d, %q", status, nameOf(other))
		}
	})
}

// A user who logs in again from another session of the provider has nothing to do with the first one any more; one whose second
// login is refused has no session left.
func TestL14_EndOfAnEarlierProviderSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v := newVisitor(t, m)
	for _, sid := range []string{"first", "second"} {
		if status := provided(v, "ann", sid, nil); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	endProvided(t, m, "first")
	if nameOf(v) != "ann" {
		t.Error("the session has ended with the provider's session of an earlier login")
	}
	endProvided(t, m, "third")
	if status := provided(v, "ann", "third", nil); status != http.StatusConflict || nameOf(v) != "" {
		t.Errorf("after a login that the provider has ended: status %d, %q", status, nameOf(v))
	}
	endProvided(t, m, "second")
}

// The index of a provider's session outlives a session that was given a longer life after its login.
func TestL14_LongerLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{})
		v := newVisitor(t, m)
		provided(v, "ann", "sid", nil)
		v.do(func(s *session.Session) {
			_ = s.SetLimits(session.Limits{Idle: 60 * 24 * time.Hour, Absolute: 90 * 24 * time.Hour})
		})
		time.Sleep(50 * 24 * time.Hour)
		if nameOf(v) != "ann" {
			t.Fatal("the session has ended")
		}
		endProvided(t, m, "sid")
		if nameOf(v) != "" {
			t.Error("the session lives")
		}
	})
}

// An end that the store has refused is an error, and done when it is asked for again.
func TestL14_EndProviderSessionFails(t *testing.T) {
	t.Parallel()
	for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy} {
		store := sessiontest.NewFaulty(memstore.New(nil))
		m := newManager(t, store, session.Options{Observer: session.Silent{}})
		v := newVisitor(t, m)
		provided(v, "ann", "sid", nil)
		store.Before(op, -1, sessiontest.Fail)
		if err := m.EndProviderSession(t.Context(), "sid"); err == nil {
			t.Errorf("%v fails: no error", op)
		}
		store.Heal()
		endProvided(t, m, "sid")
		if nameOf(v) != "" {
			t.Errorf("%v fails: the session lives", op)
		}
	}
}

// Only a login from a provider costs more, and only the login.
func TestProviderSessionCosts(t *testing.T) {
	t.Parallel()
	store := sessiontest.NewFaulty(memstore.New(nil))
	m := newManager(t, store, session.Options{})
	count := func() (n int) {
		for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy} {
			n += store.Calls(op)
		}
		return n
	}
	calls := func(f func()) int {
		before := count()
		f()
		return count() - before
	}
	plain, from := newVisitor(t, m), newVisitor(t, m)
	without := calls(func() { provided(plain, "ann", "", nil) })
	with := calls(func() { provided(from, "bob", "sid", nil) })
	if with != without+2 {
		t.Errorf("a login makes %d calls of the store, without a provider %d", with, without)
	}
	renew := func(s *session.Session) { _ = s.Renew() }
	without = calls(func() { plain.do(renew) })
	if with = calls(func() { from.do(renew) }); with != without {
		t.Errorf("a renewal makes %d calls of the store, without a provider %d", with, without)
	}
}
