package session_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestOptionsThatContradict(t *testing.T) {
	t.Parallel()
	type (
		options = session.Options
		cookie  = session.Cookie
	)
	none := http.SameSiteNoneMode
	for _, c := range []struct {
		field string
		o     options
	}{
		{"IdleTimeout", options{IdleTimeout: -1, AbsoluteTimeout: -1}},
		{"AbsoluteTimeout", options{IdleTimeout: -1, AbsoluteTimeout: -1}},
		{"IdleTimeout", options{IdleTimeout: time.Millisecond - 1}},
		{"AbsoluteTimeout", options{AbsoluteTimeout: 1}},
		{"Bots.Classifier", options{Bots: session.BotOptions{Mode: session.BotsRefused}}},
		{"Bots.Classifier", options{Bots: session.BotOptions{Unlocked: true}}},
		{"Bots.Mode", options{Bots: session.BotOptions{Classifier: agents{}, Mode: 3}}},
		{"Bots.Timeout", options{Bots: session.BotOptions{Classifier: agents{}, Timeout: -1}}},
		{"Bots.FirstTimeout", options{Bots: session.BotOptions{Classifier: agents{}, FirstTimeout: 3 * time.Hour}}},
		{"Binding:", options{Binding: session.Binding{Address: 9}}},
		{"Binding.IPv4Bits", options{Binding: session.Binding{IPv4Bits: 33}}},
		{"Binding.IPv6Bits", options{Binding: session.Binding{IPv6Bits: -1}}},
		{"Binding.Decide", options{Binding: session.Binding{Decide: func(context.Context, session.Mismatch) session.BindRule { return 0 }}}},
		{"Binding.TrustedProxies", options{Binding: session.Binding{TrustedProxies: make([]netip.Prefix, 1)}}},
		{"ClearSiteData", options{ClearSiteData: []string{`"cache"`}}},
		{"ClearSiteData", options{ClearSiteData: []string{""}}},
		{"RenewInterval", options{RenewInterval: -1}},
		{"RenewInterval", options{RenewInterval: time.Second - 1}},
		{"RenewGrace", options{RenewGrace: time.Second}},
		{"RenewGrace", options{RenewInterval: time.Minute, RenewGrace: -1}},
		{"RenewGrace", options{RenewInterval: time.Minute, RenewGrace: time.Minute}},
		{"FirstTimeout", options{FirstTimeout: -1}},
		{"FirstTimeout", options{FirstTimeout: time.Hour}},
		{"FirstTimeout", options{FirstTimeout: time.Second, MinTimeout: time.Minute}},
		{"MinTimeout", options{MinTimeout: -1}},
		{"MinTimeout", options{MinTimeout: 2 * time.Hour}},
		{"MaxTimeout", options{MaxTimeout: -1}},
		{"MaxTimeout", options{MaxTimeout: time.Minute}},
		{"MaxTimeout", options{MaxTimeout: time.Hour, IdleTimeout: -1}},
		{"TouchInterval", options{TouchInterval: time.Hour}},
		{"TouchInterval", options{TouchInterval: time.Minute, IdleTimeout: time.Minute}},
		{"ReadTimeout", options{ReadTimeout: -1}},
		{"CommitTimeout", options{CommitTimeout: -time.Second}},
		{"DestroyTimeout", options{DestroyTimeout: math.MinInt64}},
		{"MaxBytes", options{MaxBytes: -1}},
		{"Header", options{Header: "X-Session", Cookie: cookie{Name: "sid"}}},
		{"Header", options{Header: "X-Session", Cookie: cookie{Insecure: true}}},
		{"Header", options{Header: "X Session"}},
		{"Header", options{Header: "X-Session:"}},
		{"Header", options{Header: "X-Séance"}},
		{"Header", options{Header: "X-Session\r\nSet-Cookie"}},
		{"Header", options{Header: " "}},
		{"Cookie.Name", options{Cookie: cookie{Name: "__Host-a", Domain: "example.com"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "__Host-a", Path: "/app"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "__hOST-a", Path: "/app"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "__Host-Http-a", Domain: "example.com"}}},
		{"Cookie.Insecure", options{Cookie: cookie{Name: "__Host-a", Insecure: true}}},
		{"Cookie.Insecure", options{Cookie: cookie{Name: "__secure-a", Insecure: true}}},
		{"Cookie.Insecure", options{Cookie: cookie{Name: "__SECURE-a", Insecure: true}}},
		{"Cookie.Insecure", options{Cookie: cookie{Name: "__Http-a", Insecure: true}}},
		{"Cookie.SameSite", options{Cookie: cookie{SameSite: none, Insecure: true}}},
		{"Cookie.Partitioned", options{Cookie: cookie{Partitioned: true}}},
		{"Cookie.Partitioned", options{Cookie: cookie{Partitioned: true, SameSite: http.SameSiteStrictMode}}},
		{"Cookie.Partitioned", options{Cookie: cookie{Partitioned: true, SameSite: none, Insecure: true}}},
		{"Cookie.Name", options{Cookie: cookie{Name: strings.Repeat("a", 4096-43+1)}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "my session"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "a=b"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "a;b"}}},
		{"Cookie.Name", options{Cookie: cookie{Name: "séance"}}},
		{"Cookie.Path", options{Cookie: cookie{Path: "app"}}},
		{"Cookie.Path", options{Cookie: cookie{Path: "/a;Domain=evil.example"}}},
		{"Cookie.Path", options{Cookie: cookie{Path: "/a\r\nX: y"}}},
		{"Cookie.Domain", options{Cookie: cookie{Domain: "https://example.com"}}},
		{"Cookie.Domain", options{Cookie: cookie{Domain: "example.com; Secure"}}},
		{"Cookie.Domain", options{Cookie: cookie{Domain: "example.com:8080"}}},
	} {
		m, err := session.New(memstore.New(nil), c.o)
		if err == nil {
			t.Errorf("%+v is accepted", c.o)
			_ = m.Close()
			continue
		}
		e, ok := errors.AsType[*session.Error](err)
		if !ok || e.Op != "new" || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%v does not name %s", err, c.field)
		}
		if session.StatusCode(err) != http.StatusInternalServerError {
			t.Errorf("%v has status %d", err, session.StatusCode(err))
		}
	}
	if _, err := session.New(nil, options{}); err == nil || !strings.Contains(err.Error(), "store is nil") {
		t.Errorf("no store: %v", err)
	}
	_, err := session.New(memstore.New(nil), options{MaxBytes: -1, ReadTimeout: -1, Cookie: cookie{Path: "x", Name: " "}})
	for _, field := range []string{"MaxBytes", "ReadTimeout", "Cookie.Path", "Cookie.Name"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("not all mistakes at once, %s is missing: %v", field, err)
		}
	}
}

func TestOptionsThatFit(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]session.Options{
		"idle only":         {AbsoluteTimeout: -1},
		"absolute only":     {IdleTimeout: -1},
		"no sliding":        {TouchInterval: -1},
		"bounds":            {FirstTimeout: 10 * time.Minute, MinTimeout: time.Minute, MaxTimeout: time.Hour},
		"one millisecond":   {IdleTimeout: time.Millisecond, AbsoluteTimeout: time.Millisecond},
		"for ever":          {IdleTimeout: math.MaxInt64, AbsoluteTimeout: math.MaxInt64},
		"header":            {Header: "x-session"},
		"longest name":      {Cookie: session.Cookie{Name: strings.Repeat("a", 4096-43)}},
		"secure with path":  {Cookie: session.Cookie{Name: "__Secure-a", Path: "/app"}},
		"domain with a dot": {Cookie: session.Cookie{Domain: ".example.com"}},
		"no collection":     {GCInterval: -1},
		"partitioned":       {Cookie: session.Cookie{Partitioned: true, SameSite: http.SameSiteNoneMode}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a millisecond may be over before the commit
				v := newVisitor(t, newManager(t, nil, o))
				if res := v.do(func(s *session.Session) { _ = user.Set(s, "alice") }); res.StatusCode != http.StatusOK {
					t.Error(res.Status)
				}
			})
		})
	}
}

// refusal is what a browser does with a Set-Cookie: why it refuses it, or "" (RFC 6265bis 4.1.3 and 5.7, CHIPS).
func refusal(c *http.Cookie) string {
	lower := strings.ToLower(c.Name)
	host := strings.HasPrefix(lower, "__host-")
	switch {
	case (host || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")) && !c.Secure:
		return "prefix without Secure"
	case host && (c.Domain != "" || c.Path != "/"):
		return "__Host- with Domain or Path"
	case strings.Contains(lower[:min(len(lower), 13)], "http-") && !c.HttpOnly:
		return "__Http- without HttpOnly"
	case c.SameSite == http.SameSiteNoneMode && !c.Secure:
		return "SameSite=None without Secure"
	case c.Partitioned && !c.Secure:
		return "Partitioned without Secure"
	}
	return ""
}

// Every combination of options that is accepted makes a cookie that browsers accept, and so is its deletion.
func TestEveryAcceptedCookieWorks(t *testing.T) {
	t.Parallel()
	accepted := 0
	for i := range 8 * 3 * 2 * 4 * 8 {
		pick := func(n int) int { v := i % n; i /= n; return v }
		c := session.Cookie{
			Name:     []string{"", "sid", "__Host-sid", "__HOST-sid", "__Secure-sid", "__sEcure-sid", "__Http-sid", "__Host-Http-sid"}[pick(8)],
			Path:     []string{"", "/", "/app"}[pick(3)],
			Domain:   []string{"", "example.com"}[pick(2)],
			SameSite: []http.SameSite{0, http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode}[pick(4)],
		}
		c.Partitioned, c.Persistent, c.Insecure = pick(2) == 1, pick(2) == 1, pick(2) == 1
		m, err := session.New(newCounting(), session.Options{Cookie: c})
		if err != nil {
			continue
		}
		accepted++
		v := newVisitor(t, m)
		for name, res := range map[string]*http.Response{
			"set": v.do(func(s *session.Session) { _ = user.Set(s, "alice") }),
			"end": v.do(func(s *session.Session) { _ = s.Destroy() }),
		} {
			got := res.Cookies()
			if len(got) != 1 {
				t.Errorf("%+v: %s makes %d cookies", c, name, len(got))
			} else if why := refusal(got[0]); why != "" || got[0].SameSite == 0 || !got[0].HttpOnly {
				t.Errorf("%+v: %s: %s: %s", c, name, why, got[0])
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d combinations are accepted", accepted)
	}
}

// The zero value's limits, as a program observes them.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		events, start := &recorder{}, time.Now()
		v := newVisitor(t, newManager(t, nil, session.Options{Observer: events}))
		v.do(func(s *session.Session) { _ = user.Set(s, "alice") })
		look := func() (alive bool, deadline time.Time) {
			v.do(func(s *session.Session) { alive, deadline = !s.IsNew(), s.Deadline() }, session.ReadOnly)
			return alive, deadline
		}
		if _, end := look(); !end.Equal(start.Add(time.Hour)) {
			t.Errorf("idle limit %v, want 1h", end.Sub(start))
		}
		time.Sleep(3*time.Minute - time.Millisecond)
		if look(); events.count(session.EventTouched) != 0 {
			t.Error("kept alive before the default interval of 3 minutes, a twentieth of the idle limit")
		}
		time.Sleep(time.Millisecond)
		if look(); events.count(session.EventTouched) != 1 {
			t.Error("not kept alive after 3 minutes")
		}
		for time.Since(start) < 23*time.Hour {
			time.Sleep(50 * time.Minute)
			if alive, _ := look(); !alive {
				t.Fatalf("ended after %v of use", time.Since(start))
			}
		}
		if _, end := look(); !end.Equal(start.Add(24 * time.Hour)) {
			t.Errorf("absolute limit %v, want 24h", end.Sub(start))
		}
		time.Sleep(time.Until(start.Add(24*time.Hour - time.Millisecond)))
		if alive, _ := look(); !alive {
			t.Error("ended before its deadline")
		}
		time.Sleep(time.Millisecond)
		if alive, _ := look(); alive {
			t.Error("alive at its deadline")
		}
	})
}

// stuck is a store in which some calls answer only when their context ends.
type stuck struct {
	*memstore.Store
	read, write, destroy bool
	calls                int
}

func (s *stuck) wait(ctx context.Context) error {
	s.calls++
	<-ctx.Done()
	return ctx.Err()
}

func (s *stuck) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if s.read {
		return session.Record{}, s.wait(ctx)
	}
	return s.Store.Read(ctx, id)
}

func (s *stuck) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if s.write {
		return s.wait(ctx)
	}
	return s.Store.Write(ctx, id, rec, prev)
}

func (s *stuck) Destroy(ctx context.Context, id session.ID) error {
	if s.destroy {
		return s.wait(ctx)
	}
	return s.Store.Destroy(ctx, id)
}

func TestDefaultBudgets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*stuck)
		use  func(*session.Session)
		want time.Duration
	}{
		{"ReadTimeout", func(s *stuck) { s.read = true }, func(*session.Session) {}, 400 * time.Millisecond},
		{"CommitTimeout", func(s *stuck) { s.write = true }, func(s *session.Session) { _ = user.Set(s, "b") }, 600 * time.Millisecond},
		{"DestroyTimeout", func(s *stuck) { s.destroy = true }, func(s *session.Session) { _ = s.Destroy() }, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &stuck{Store: memstore.New(nil)}
				v := newVisitor(t, newManager(t, store, session.Options{}))
				v.do(func(s *session.Session) { _ = user.Set(s, "a") })
				c.set(store)
				cookie, start := v.cookie, time.Now()
				res := v.do(c.use)
				if got := time.Since(start); got != c.want || res.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s after %v, want 503 after %v", res.Status, got, c.want)
				}
				if v.cookie != cookie || store.calls != 1 {
					t.Errorf("the visitor lost the cookie: %v; %d calls", v.cookie != cookie, store.calls)
				}
			})
		})
	}
}

// The default of MaxBytes is 1 MiB, everything included.
func TestDefaultMaxBytes(t *testing.T) {
	t.Parallel()
	blob := session.NewKey[string]("blob")
	fits := 1<<20 - session.RecordOverhead - 1 - len("blob") - 3 - 2 // two lengths, the name and the quotes
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	if res := v.do(func(s *session.Session) { _ = blob.Set(s, strings.Repeat("x", fits)) }); res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
	res := v.do(func(s *session.Session) { _ = blob.Set(s, strings.Repeat("x", fits+1)) })
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("one byte more: %s", res.Status)
	}
	v.do(func(s *session.Session) {
		if len(blob.Get(s)) != fits {
			t.Error("what was stored is not intact")
		}
	})
}

func TestDefaultCodecIsJSON(t *testing.T) {
	t.Parallel()
	store := &keyed{Store: memstore.New(nil)}
	newVisitor(t, newManager(t, store, session.Options{})).do(func(s *session.Session) { _ = cart.Set(s, []string{"a", "<b>"}) })
	rec, err := store.Read(t.Context(), store.ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := session.FindFrame(rec.Payload, "cart"); !ok || string(got) != `["a","\u003cb\u003e"]` {
		t.Errorf("stored %q", got)
	}
}
