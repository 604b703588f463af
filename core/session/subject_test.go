package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// login binds the visitor's session to a subject and returns the handle.
func login(v *visitor, subject string) (handle string, status int) {
	res := v.do(func(s *session.Session) {
		if s.Bind(session.Login{Subject: subject, Attributes: map[string]string{"device": subject + "'s phone"}}) == nil {
			_ = user.Set(s, subject)
			handle = s.Handle()
		}
	})
	return handle, res.StatusCode
}

// logins are visitors of one subject with a session each, a minute apart where time is simulated.
func logins(t *testing.T, m *session.Manager, subject string, n int) (visitors []*visitor, handles []string) {
	t.Helper()
	for range n {
		v := newVisitor(t, m)
		handle, status := login(v, subject)
		if status != http.StatusOK || handle == "" {
			t.Fatalf("login: status %d, handle %q", status, handle)
		}
		visitors, handles = append(visitors, v), append(handles, handle)
	}
	return visitors, handles
}

// nameOf is the user of the visitor's session, "" without one.
func nameOf(v *visitor) (name string) {
	v.do(func(s *session.Session) { name = user.Get(s) })
	return name
}

func list(t testing.TB, m *session.Manager, subject string) []session.SubjectSession {
	t.Helper()
	l, err := m.SubjectSessions(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func handlesOf(l []session.SubjectSession) (handles []string) {
	for _, s := range l {
		handles = append(handles, s.Handle)
	}
	return handles
}

func TestASVS_7_5_2_ListOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{})
		first := newVisitor(t, m)
		before := time.Now()
		h1, _ := login(first, "ann")
		time.Sleep(10 * time.Minute)
		second := newVisitor(t, m)
		h2, _ := login(second, "ann")
		login(newVisitor(t, m), "bob")
		time.Sleep(20 * time.Minute)
		nameOf(first) // is kept alive
		got := list(t, m, "ann")
		if !slices.Equal(handlesOf(got), []string{h1, h2}) || h1 == h2 {
			t.Fatalf("the list has %q, want %q", handlesOf(got), []string{h1, h2})
		}
		want := session.SubjectSession{
			Handle: h1, Created: before, Seen: before.Add(30 * time.Minute), Deadline: before.Add(90 * time.Minute),
			Attributes: map[string]string{"device": "ann's phone"},
		}
		if g := got[0]; !g.Created.Equal(want.Created) || !g.Seen.Equal(want.Seen) || !g.Deadline.Equal(want.Deadline) || g.Attributes["device"] != "ann's phone" {
			t.Errorf("got %v, want %v", g, want)
		}
		token := strings.TrimPrefix(first.cookie, "__Host-session=")
		id, _ := session.ParseToken(token)
		if h := got[0].Handle; strings.Contains(token, h) || strings.Contains(string(id.AppendHex(nil)), h) {
			t.Error("the handle shows the token or the id")
		}
		if len(list(t, m, "carl")) != 0 {
			t.Error("a subject without sessions has some")
		}
		time.Sleep(55 * time.Minute) // the second one has expired
		if got := handlesOf(list(t, m, "ann")); !slices.Equal(got, []string{h1}) {
			t.Errorf("after the second has expired: %q", got)
		}
		first.do(func(s *session.Session) { _ = s.Destroy() })
		if got := list(t, m, "ann"); len(got) != 0 {
			t.Errorf("after the logout: %v", got)
		}
	})
}

func TestASVS_7_5_2_EndOneSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v, h := logins(t, m, "ann", 3)
	if err := m.EndSession(t.Context(), "bob", h[1]); err != nil || nameOf(v[1]) != "ann" {
		t.Errorf("another subject's handle: %v, and it is %q", err, nameOf(v[1]))
	}
	for range 2 { // once more is no error
		if err := m.EndSession(t.Context(), "ann", h[1]); err != nil {
			t.Fatal(err)
		}
		if got := []string{nameOf(v[0]), nameOf(v[1]), nameOf(v[2])}; !slices.Equal(got, []string{"ann", "", "ann"}) {
			t.Errorf("the sessions are %q", got)
		}
	}
	if got := handlesOf(list(t, m, "ann")); len(got) != 2 || slices.Contains(got, h[1]) {
		t.Errorf("the list has %q", got)
	}
}

func TestASVS_7_4_3_EndOtherSessions(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v, h := logins(t, m, "ann", 3)
	if err := m.EndOtherSessions(t.Context(), "ann", h[1]); err != nil {
		t.Fatal(err)
	}
	if got := []string{nameOf(v[0]), nameOf(v[1]), nameOf(v[2])}; !slices.Equal(got, []string{"", "ann", ""}) {
		t.Errorf("the sessions are %q", got)
	}
	if _, status := login(v[1], "ann"); status != http.StatusOK || len(list(t, m, "ann")) != 1 {
		t.Errorf("another login in the one that is left: %d, %v", status, list(t, m, "ann"))
	}
}

func TestASVS_7_4_2_EndAllSessions(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{})
	v, _ := logins(t, m, "ann", 20)
	other, _ := logins(t, m, "bob", 1)
	if err := m.EndAllSessions(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	for i := range v {
		if nameOf(v[i]) != "" {
			t.Errorf("session %d lives", i)
		}
	}
	if len(list(t, m, "ann")) != 0 || nameOf(other[0]) != "bob" {
		t.Error("the list is not empty, or another subject's session was ended")
	}
	if _, status := login(v[0], "ann"); status != http.StatusOK || nameOf(v[0]) != "ann" {
		t.Error("a later login is refused")
	}
}

// The end comes between Bind and its commit, or, with an epoch, before Bind.
func TestASVS_7_4_2_EndAllSessionsRefusesLoginsOnTheirWay(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{"before bind": "before", "before the commit": "after"} {
		m := newManager(t, nil, session.Options{})
		v := newVisitor(t, m)
		v.do(func(s *session.Session) { _ = count.Set(s, 1) })
		old := v.cookie
		res := v.do(func(s *session.Session) {
			epoch, err := m.SubjectEpoch(t.Context(), "ann")
			if err != nil {
				t.Error(err)
			}
			end := func(now string) {
				if now == when {
					if err := m.EndAllSessions(t.Context(), "ann"); err != nil {
						t.Error(err)
					}
				}
			}
			end("before")
			_ = s.Bind(session.Login{Subject: "ann", Epoch: epoch}) // the commit fails with its error
			end("after")
			_ = user.Set(s, "ann")
		})
		if res.StatusCode != http.StatusConflict {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
		if nameOf(v) != "" || v.cookie != old || len(list(t, m, "ann")) != 0 {
			t.Errorf("%s: the session is %q's", name, nameOf(v))
		}
	}
}

// A request that began before keeps nothing alive, whatever it does.
func TestASVS_7_4_1_EndedSessionsStayEnded(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(*session.Session){
		"set":   func(s *session.Session) { _ = count.Set(s, 1) },
		"renew": func(s *session.Session) { _ = s.Renew() },
		"again": func(s *session.Session) { _ = s.Authenticated() },
	} {
		m := newManager(t, nil, session.Options{})
		v, _ := logins(t, m, "ann", 1)
		res := v[0].do(func(s *session.Session) {
			if err := m.EndAllSessions(t.Context(), "ann"); err != nil {
				t.Error(err)
			}
			late(s)
		})
		if res.StatusCode != http.StatusConflict || nameOf(v[0]) != "" || len(list(t, m, "ann")) != 0 {
			t.Errorf("%s: status %d, the session is %q's", name, res.StatusCode, nameOf(v[0]))
		}
	}
}

// A renewed session is the same one in the list, and its end finds the new id.
func TestRenewedSessionsStayInTheIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{RenewInterval: 10 * time.Minute})
		v, h := logins(t, m, "ann", 2)
		for range 30 {
			time.Sleep(11 * time.Minute)
			if nameOf(v[0]) != "ann" || nameOf(v[1]) != "ann" {
				t.Fatal("a session is lost")
			}
		}
		v[1].do(func(s *session.Session) { _ = s.Renew() })
		if got := handlesOf(list(t, m, "ann")); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(h))) {
			t.Errorf("the list has %q, want %q", got, h)
		}
		if err := m.EndAllSessions(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		if nameOf(v[0]) != "" || nameOf(v[1]) != "" {
			t.Error("a renewed session lives on")
		}
	})
}

// A session that an identity provider has vouched for ends when the provider says so, by the name that it has there (the sid
// of OpenID Connect Back-Channel Logout), and at the latest when its word is over (ASVS 7.6.1).
func TestL14_SessionsOfAProviderEndWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, nil, session.Options{})
		var visitors []*visitor
		for _, sid := range []string{"first", "second"} {
			v := newVisitor(t, m)
			v.do(func(s *session.Session) {
				_ = s.Bind(session.Login{Subject: "ann", Attributes: map[string]string{"sid": sid}})
				_ = s.SetLimits(session.Limits{Absolute: 10 * time.Minute})
				_ = user.Set(s, sid)
			})
			visitors = append(visitors, v)
		}
		for _, s := range list(t, m, "ann") {
			if s.Attributes["sid"] != "first" {
				continue
			}
			if err := m.EndSession(t.Context(), "ann", s.Handle); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10*time.Minute - time.Millisecond)
		if got := []string{nameOf(visitors[0]), nameOf(visitors[1])}; !slices.Equal(got, []string{"", "second"}) {
			t.Errorf("the sessions are %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := nameOf(visitors[1]); got != "" {
			t.Errorf("%q outlives what the provider has said", got)
		}
	})
}
