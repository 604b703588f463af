package remember_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

func newLogins(t testing.TB, store session.Handler, o remember.Options) *remember.Logins {
	t.Helper()
	return newLoginsOf(t, newManager(t, store, session.Options{}), store, o)
}

func newLoginsOf(t testing.TB, m *session.Manager, store session.Handler, o remember.Options) *remember.Logins {
	t.Helper()
	l, err := remember.New(m, store, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newManager returns a Manager that is closed with the test, which its store is not.
func newManager(t testing.TB, store session.Handler, o session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(struct{ session.Handler }{store}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func issue(t *testing.T, l *remember.Logins, subject string) string {
	t.Helper()
	epoch, err := l.Epoch(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Issue(t.Context(), subject, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return c.Value
}

// use wants a credential to work, and returns its next value.
func use(t *testing.T, l *remember.Logins, value, subject string) string {
	t.Helper()
	login, err := l.Use(t.Context(), value)
	if err != nil {
		t.Fatalf("use: %v", err)
	}
	if login.Subject != subject {
		t.Fatalf("the user is %q, want %q", login.Subject, subject)
	}
	return login.Cookie.Value
}

// refused wants a credential not to work.
func refused(t *testing.T, l *remember.Logins, value string, want error) {
	t.Helper()
	login, err := l.Use(t.Context(), value)
	if !errors.Is(err, want) {
		t.Errorf("use: %v, want %v", err, want)
	}
	if login.Cookie != nil {
		t.Error("a refused credential gets a cookie")
	}
	if wantSubject := errors.Is(want, remember.ErrStolen); (login.Subject != "") != wantSubject {
		t.Errorf("the user is %q", login.Subject)
	}
}

// bubble runs a test in which time passes at once.
func bubble(t *testing.T, o remember.Options, f func(*testing.T, *remember.Logins)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		defer store.Close()
		f(t, newLogins(t, store, o))
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		v := issue(t, l, "ann")
		seen := map[string]bool{v: true}
		for range 20 {
			v = use(t, l, v, "ann")
			if seen[v] {
				t.Fatal("a value comes twice")
			}
			seen[v] = true
			time.Sleep(24 * time.Hour)
		}
	})
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		v := issue(t, l, "ann")
		time.Sleep(30*24*time.Hour - time.Second)
		v = use(t, l, v, "ann") // which does not prolong it
		time.Sleep(time.Second)
		refused(t, l, v, session.ErrNotFound)
	})
	bubble(t, remember.Options{Lifetime: time.Hour}, func(t *testing.T, l *remember.Logins) {
		first := issue(t, l, "ann")
		time.Sleep(30 * time.Minute)
		second := issue(t, l, "ann")
		time.Sleep(30 * time.Minute)
		refused(t, l, first, session.ErrNotFound)
		use(t, l, second, "ann")
	})
}

// TestTheft has a copy of a cookie used by its owner first, and by the thief first.
func TestTheft(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		stolen, other, bob := issue(t, l, "ann"), issue(t, l, "ann"), issue(t, l, "bob")
		next := use(t, l, stolen, "ann")
		time.Sleep(30*time.Second + time.Millisecond)
		refused(t, l, stolen, remember.ErrStolen)
		for _, v := range []string{stolen, next, other} { // of all devices
			refused(t, l, v, session.ErrNotFound)
		}
		use(t, l, bob, "bob")
		use(t, l, issue(t, l, "ann"), "ann")
	})
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		stolen := issue(t, l, "ann")
		thief, owner := use(t, l, stolen, "ann"), use(t, l, stolen, "ann") // at once: nobody can know
		time.Sleep(time.Minute)
		thief = use(t, l, thief, "ann")
		time.Sleep(time.Minute)
		refused(t, l, owner, remember.ErrStolen)
		refused(t, l, thief, session.ErrNotFound)
	})
	bubble(t, remember.Options{Grace: -1}, func(t *testing.T, l *remember.Logins) {
		v := issue(t, l, "ann")
		use(t, l, v, "ann")
		time.Sleep(time.Millisecond)
		refused(t, l, v, remember.ErrStolen)
	})
}

// TestTabs has many requests show one cookie at once: all get the same next one, whichever answer comes last.
func TestTabs(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	t.Cleanup(func() { _ = store.Close() })
	nodes := []*remember.Logins{newLogins(t, store, remember.Options{}), newLogins(t, store, remember.Options{})}
	v := issue(t, nodes[0], "ann")
	var wg sync.WaitGroup
	next := make([]string, 40)
	for i := range next {
		wg.Go(func() {
			login, err := nodes[i%2].Use(t.Context(), v)
			if err != nil {
				t.Error(err)
				return
			}
			next[i] = login.Cookie.Value
		})
	}
	wg.Wait()
	for _, n := range next {
		if n != next[0] || n == v {
			t.Fatal("the tabs have several cookies, or the old one")
		}
	}
	use(t, nodes[0], next[0], "ann")
}

func TestGrace(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{Grace: 10 * time.Second}, func(t *testing.T, l *remember.Logins) {
		v := issue(t, l, "ann")
		next := use(t, l, v, "ann")
		time.Sleep(9 * time.Second)
		if use(t, l, v, "ann") != next || use(t, l, next, "ann") != next {
			t.Error("within the grace there is another cookie")
		}
		time.Sleep(2 * time.Second)
		after := use(t, l, next, "ann")
		if after == next {
			t.Error("the cookie was not replaced")
		}
		refused(t, l, v, remember.ErrStolen) // two behind
	})
}

func TestMost(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		first := issue(t, l, "ann")
		time.Sleep(time.Second)
		second := issue(t, l, "ann")
		for range 49 {
			time.Sleep(time.Second)
			issue(t, l, "ann")
		}
		refused(t, l, first, session.ErrNotFound)
		use(t, l, second, "ann")
	})
}

func TestMadeUp(t *testing.T) {
	t.Parallel()
	bubble(t, remember.Options{}, func(t *testing.T, l *remember.Logins) {
		v, other := issue(t, l, "ann"), issue(t, l, "bob")
		for _, value := range []string{"", "x", v[:85], v + "A", strings.Repeat("A", 86), strings.Repeat("*", 86), other[:22] + v[22:]} {
			refused(t, l, value, session.ErrNotFound)
		}
		use(t, l, v, "ann")
		time.Sleep(time.Minute)
		refused(t, l, v[:60]+other[60:], remember.ErrStolen) // it takes the key, which is in no other cookie
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	m := newManager(t, memstore.New(nil), session.Options{})
	for field, o := range map[string]remember.Options{
		"Lifetime: 1s":       {Lifetime: time.Second},
		"Lifetime: 9624h":    {Lifetime: 401 * 24 * time.Hour},
		"Grace":              {Grace: time.Hour},
		"Cookie.Name":        {Cookie: session.Cookie{Name: "__Host-r", Domain: "example.org"}},
		"Cookie.Insecure":    {Cookie: session.Cookie{Name: "__secure-r", Insecure: true}},
		"Cookie.SameSite":    {Cookie: session.Cookie{SameSite: http.SameSiteNoneMode, Insecure: true}},
		"Cookie.Partitioned": {Cookie: session.Cookie{Partitioned: true}},
		"Cookie.Path":        {Cookie: session.Cookie{Path: "app"}},
		"Cookie:":            {Cookie: session.Cookie{Name: "a b"}},
	} {
		if _, err := remember.New(m, memstore.New(nil), o); err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := remember.New(m, nil, remember.Options{}); err == nil {
		t.Error("a nil store is taken")
	}
	if _, err := remember.New(nil, memstore.New(nil), remember.Options{}); err == nil {
		t.Error("a nil Manager is taken")
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]session.Cookie{
		"__Host-remember=V; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax":                          {},
		"__Secure-remember=V; Path=/app; Domain=example.org; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax": {Domain: "example.org", Path: "/app"},
		"remember=V; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict":                                      {Insecure: true, SameSite: http.SameSiteStrictMode},
		"__Host-remember=V; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=None; Partitioned":            {SameSite: http.SameSiteNoneMode, Partitioned: true},
	} {
		l := newLogins(t, memstore.New(nil), remember.Options{Cookie: o})
		c, err := l.Issue(t.Context(), "ann", remember.Epoch{})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Replace(c.String(), c.Value, "V", 1); got != want {
			t.Errorf("the cookie is\n%s, want\n%s", got, want)
		}
	}
}
