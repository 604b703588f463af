package session_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func signing(letters ...string) session.Options {
	return session.Options{TokenMAC: session.TokenMAC{Keys: ring(letters...)}, Observer: session.Silent{}}
}

// madeUp are tokens that nobody was given.
func madeUp(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	return "__Host-session=" + base64.RawURLEncoding.EncodeToString(raw)
}

// Security rules I4 and D8: with codes in tokens, 20,000 made-up ones cost no store call, and the Observer hears of each.
func TestI4MadeUpTokensCostNoCall(t *testing.T) {
	t.Parallel()
	events, store := &recorder{}, newCounting()
	o := signing("a")
	o.Observer = events
	v := newVisitor(t, newManager(t, store, o))
	const n = 20_000
	for i := range n {
		v.cookie = madeUp([]int{32, 50}[i%2])
		v.do(func(s *session.Session) {
			if !s.IsNew() {
				t.Error("somebody was let in")
			}
		}, []session.Mode{session.Optimistic, session.ReadOnly, session.Exclusive}[i%3])
	}
	if calls := store.take(); len(calls) > 0 {
		t.Errorf("the store was called: %v", calls)
	}
	if got := events.count(session.EventForged); got != n || len(events.events) != n {
		t.Errorf("the Observer heard of %d forged tokens and %d events, want %d", got, len(events.events), n)
	}
}

// Security rule I4: every character of a token with a code counts.
func TestI4ChangedTokenIsRefused(t *testing.T) {
	t.Parallel()
	store := newCounting()
	v := named(t, store, signing("a"), "ann")
	cookie := v.cookie
	if token := strings.TrimPrefix(cookie, "__Host-session="); len(token) != 67 {
		t.Fatalf("a token of %d characters", len(token))
	}
	store.take()
	for i := len("__Host-session="); i < len(cookie); i++ {
		other := byte('A')
		if cookie[i] == other {
			other = 'Q'
		}
		v.cookie = cookie[:i] + string(other) + cookie[i+1:]
		if got := holds(v); got != "" {
			t.Errorf("with another character %d somebody found %q", i, got)
		}
	}
	if calls := store.take(); len(calls) > 0 {
		t.Errorf("the store was called: %v", calls)
	}
	v.cookie = cookie
	if got := holds(v); got != "ann" {
		t.Errorf("got %q", got)
	}
}

// The key of the codes can be changed, and codes be begun with and given up, and nobody is logged out by that.
func TestTokenMACRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		window := signing("a")
		window.TokenMAC.PlainUntil = time.Now().Add(time.Minute)
		plain := named(t, store, session.Options{}, "plain")
		first, second := named(t, store, signing("a"), "first"), named(t, store, signing("b", "a"), "second")
		for _, c := range []struct {
			name string
			o    session.Options
			want map[*visitor]bool
		}{
			{"none", session.Options{}, map[*visitor]bool{plain: true, first: true, second: true}},
			{"the first key and a window", window, map[*visitor]bool{plain: true, first: true, second: false}},
			{"the first key", signing("a"), map[*visitor]bool{plain: false, first: true, second: false}},
			{"both", signing("a", "b"), map[*visitor]bool{plain: false, first: true, second: true}},
			{"both, the other way", signing("b", "a"), map[*visitor]bool{plain: false, first: true, second: true}},
			{"the second key", signing("b"), map[*visitor]bool{plain: false, first: false, second: true}},
		} {
			m := newManager(t, store, c.o)
			for v, want := range c.want {
				if got := holds(v.on(m)); (got != "") != want {
					t.Errorf("%s: a visitor found %q, want something: %v", c.name, got, want)
				}
			}
		}
		m := newManager(t, store, window)
		time.Sleep(time.Minute)
		if got := holds(plain.on(m)); got != "" {
			t.Errorf("after the window a token without a code found %q", got)
		}
	})
}

// Renewal and logout work with codes, and a new session gets a token with one.
func TestTokenMACLife(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]session.Options{
		"mac": signing("a"), "and encryption": {TokenMAC: session.TokenMAC{Keys: ring("a")}, Encryption: bothWays["token"]},
	} {
		store := newCounting()
		v := named(t, store, o, "ann")
		old := v.cookie
		v.do(func(s *session.Session) { _, _ = s.Renew(), user.Set(s, "ann, renewed") })
		if v.cookie == old || holds(v) != "ann, renewed" {
			t.Errorf("%s: renewal did not work", name)
		}
		if res := v.do(func(s *session.Session) { _ = s.Destroy() }); v.cookie != "" || res.StatusCode != http.StatusOK {
			t.Errorf("%s: logout did not work", name)
		}
	}
}
