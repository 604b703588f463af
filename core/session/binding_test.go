package session_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// from makes the requests of a visitor come from an address, with a browser, and through proxies.
func from(v *visitor, addr, agent string, forwarded ...string) *visitor {
	v.addr, v.header = addr, http.Header{"User-Agent": {agent}, "X-Forwarded-For": forwarded}
	return v
}

// opens reports whether the visitor has the session of ann.
func opens(v *visitor) (ok bool) {
	v.on(v.m).do(func(s *session.Session) { ok = user.Get(s) == "ann" })
	return ok
}

func TestBindingComparesAddresses(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name  string
		b     session.Binding
		first string
		xff   []string
		then  string
		later []string
		same  bool
	}{
		{"the same", session.Binding{}, "192.0.2.1:1000", nil, "192.0.2.1:2000", nil, true},
		{"another", session.Binding{}, "192.0.2.1:1000", nil, "192.0.2.2:1000", nil, false},
		{"the same network", session.Binding{IPv4Bits: 24}, "192.0.2.1:1", nil, "192.0.2.200:1", nil, true},
		{"another network", session.Binding{IPv4Bits: 24}, "192.0.2.1:1", nil, "192.0.3.1:1", nil, false},
		{"IPv6, another host of the network", session.Binding{}, "[2001:db8:1:2::1]:1", nil, "[2001:db8:1:2:ffff::9]:1", nil, true},
		{"IPv6, another network", session.Binding{}, "[2001:db8:1:2::1]:1", nil, "[2001:db8:1:3::1]:1", nil, false},
		{"IPv6, all bits", session.Binding{IPv6Bits: 128}, "[2001:db8::1]:1", nil, "[2001:db8::2]:1", nil, false},
		{"IPv4 in IPv6", session.Binding{}, "192.0.2.1:1", nil, "[::ffff:192.0.2.1]:1", nil, true},
		{"the other family", session.Binding{}, "192.0.2.1:1", nil, "[2001:db8::1]:1", nil, false},
		{"a zone", session.Binding{}, "[fe80::1%eth0]:1", nil, "[fe80::1%eth1]:1", nil, true},
		{"nobody is trusted", session.Binding{}, "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1:1", []string{"198.51.100.2"}, true},
		{"not the trusted one", session.Binding{TrustedProxies: proxies}, "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1:1", []string{"198.51.100.2"}, true},
		{"by a proxy", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.2:1", []string{"198.51.100.1"}, true},
		{"by a proxy, another", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.1:1", []string{"198.51.100.2"}, false},
		{"by two proxies", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"198.51.100.1, fd00::5"}, "[fd00::1]:1", []string{"198.51.100.1", "10.1.1.1:80"}, true},
		{"what the visitor says of himself", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.1:1", []string{"198.51.100.1, 203.0.113.9"}, false},
		{"the visitor adds", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "10.0.0.1:1", []string{"2.2.2.2,, 198.51.100.1 "}, true},
		{"nonsense from a proxy", session.Binding{TrustedProxies: proxies}, "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.1:1", []string{"198.51.100.1, unknown"}, false},
		{"a unix socket", session.Binding{TrustedProxies: proxies}, "@", []string{"198.51.100.1"}, "@", []string{"198.51.100.1:80"}, true},
		{"a unix socket, another", session.Binding{TrustedProxies: proxies}, "@", []string{"2001:db8::1"}, "@", []string{"[2001:db8:2::1]:80"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.b.Address = session.BindRefuse
			v := from(newVisitor(t, newManager(t, nil, session.Options{Binding: c.b})), c.first, "a", c.xff...)
			set(v, "ann")
			if !opens(v) {
				t.Fatal("the session is not there")
			}
			if got := opens(from(v, c.then, "b", c.later...)); got != c.same {
				t.Errorf("the session is had: %t, want %t", got, c.same)
			}
			if from(v, c.first, "a", c.xff...); !opens(v) {
				t.Error("the owner has lost it")
			}
		})
	}
}

func TestBindingRules(t *testing.T) {
	t.Parallel()
	const home, away = "192.0.2.1:1", "198.51.100.1:1"
	for _, c := range []struct {
		name                string
		b                   session.Binding
		agent               string // from away
		thief, owner        bool   // has the session
		events, moved, ends int
	}{
		{"off", session.Binding{}, "b", true, true, 0, 0, 0},
		{"report", session.Binding{Address: session.BindReport}, "a", true, true, 2, 2, 0},
		{"refuse", session.Binding{Address: session.BindRefuse}, "a", false, true, 1, 1, 0},
		{"end", session.Binding{Address: session.BindEnd}, "a", false, false, 1, 1, 1},
		{"another browser", session.Binding{UserAgent: session.BindRefuse}, "b", false, true, 1, 1, 0},
		{"the same browser", session.Binding{UserAgent: session.BindRefuse}, "a", true, true, 0, 0, 0},
		{"the stricter rule", session.Binding{UserAgent: session.BindEnd, Address: session.BindReport}, "b", false, false, 1, 1, 1},
		{"only the address", session.Binding{UserAgent: session.BindEnd, Address: session.BindReport}, "a", true, true, 2, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec, decided := new(recorder), 0
			if c.b.Address|c.b.UserAgent != 0 {
				c.b.Decide = func(_ context.Context, m session.Mismatch) session.BindRule {
					if decided++; m.Address && m.Was == m.Now {
						t.Errorf("%+v is no change", m)
					}
					return m.Rule
				}
			}
			v := from(newVisitor(t, newManager(t, nil, session.Options{Binding: c.b, Observer: rec})), home, "a")
			set(v, "ann")
			if got := opens(from(v, away, c.agent)); got != c.thief {
				t.Errorf("from elsewhere the session is had: %t, want %t", got, c.thief)
			}
			if got := opens(from(v, home, "a")); got != c.owner {
				t.Errorf("the owner has the session: %t, want %t", got, c.owner)
			}
			if rec.count(session.EventMoved) != c.moved || decided != c.events || rec.count(session.EventDestroyed) != c.ends {
				t.Errorf("%d events, %d decisions, %d ends; want %d, %d, %d",
					rec.count(session.EventMoved), decided, rec.count(session.EventDestroyed), c.moved, c.events, c.ends)
			}
		})
	}
}

func TestBindingIsDecided(t *testing.T) {
	t.Parallel()
	b := session.Binding{Address: session.BindReport, Decide: func(_ context.Context, m session.Mismatch) session.BindRule {
		if m.Now.Contains(netip.MustParseAddr("203.0.113.66")) {
			return session.BindEnd
		}
		return session.BindOff
	}}
	v := from(newVisitor(t, newManager(t, nil, session.Options{Binding: b})), "192.0.2.1:1", "")
	set(v, "ann")
	if !opens(from(v, "192.0.2.2:1", "")) || opens(from(v, "203.0.113.66:1", "")) || opens(from(v, "192.0.2.2:1", "")) {
		t.Error("want the session from .2, and its end by .66")
	}
}

// A session from before the option is bound by its next request, and a login binds anew.
func TestBindingBegins(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	v := from(newVisitor(t, newManager(t, shared{store}, session.Options{})), "192.0.2.1:1", "a")
	set(v, "ann")
	o := session.Options{Binding: session.Binding{Address: session.BindRefuse, UserAgent: session.BindReport}}
	v = v.on(newManager(t, shared{store}, o))
	if !opens(v) || opens(from(v, "192.0.2.2:1", "a")) {
		t.Error("an old session must be bound by its first request")
	}
	from(v, "192.0.2.1:1", "a").do(func(s *session.Session) {
		_ = s.Renew()
		if len(s.Names()) != 1 {
			t.Errorf("names = %q", s.Names())
		}
	})
	if !opens(v) || opens(from(v, "192.0.2.2:1", "a")) {
		t.Error("the renewed session must be bound to where it was renewed")
	}
}

// Whoever sends the wrong address has nothing to end in a store that does not answer, and no session either.
func TestBindEndFailsClosed(t *testing.T) {
	t.Parallel()
	store := &failingEnd{Handler: memstore.New(nil)}
	v := from(newVisitor(t, newManager(t, store, session.Options{Binding: session.Binding{Address: session.BindEnd}})), "192.0.2.1:1", "")
	set(v, "ann")
	store.fail = true
	if opens(from(v, "192.0.2.2:1", "")) {
		t.Error("the session was had")
	}
}

type failingEnd struct {
	session.Handler
	fail bool
}

func (f *failingEnd) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if f.fail {
		return session.ErrUnavailable
	}
	return f.Handler.Write(ctx, id, rec, prev)
}

func (f *failingEnd) Destroy(ctx context.Context, id session.ID) error {
	if f.fail {
		return session.ErrUnavailable
	}
	return f.Handler.Destroy(ctx, id)
}

func FuzzBinding(f *testing.F) {
	f.Add("10.0.0.1:1", "198.51.100.1, [::1]:80, ,unknown")
	f.Add("[fe80::1%eth0]", ",,")
	b := session.Binding{Address: session.BindRefuse, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1")}}
	m, err := session.New(memstore.New(nil), session.Options{Binding: b, Observer: session.Silent{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = m.Close() })
	f.Fuzz(func(t *testing.T, addr, forwarded string) {
		v := from(newVisitor(t, m), addr, "", forwarded)
		set(v, "ann")
		if !opens(v) {
			t.Error("the very same request does not open the session")
		}
	})
}
