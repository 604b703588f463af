package session_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// anyToken stands for the token in a Set-Cookie.
var anyToken = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)

func TestCookieOnTheWire(t *testing.T) {
	t.Parallel()
	const gone = "Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"
	for _, c := range []struct {
		name string
		o    session.Options
		set  string // with * for the token
		end  string
	}{
		{"default", session.Options{},
			"__Host-session=*; Path=/; HttpOnly; Secure; SameSite=Lax",
			"__Host-session=; Path=/; " + gone + "; HttpOnly; Secure; SameSite=Lax"},
		{"development", session.Options{Cookie: session.Cookie{Insecure: true}},
			"session=*; Path=/; HttpOnly; SameSite=Lax",
			"session=; Path=/; " + gone + "; HttpOnly; SameSite=Lax"},
		{"domain", session.Options{Cookie: session.Cookie{Domain: ".example.com"}},
			"__Secure-session=*; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax",
			"__Secure-session=; Path=/; Domain=example.com; " + gone + "; HttpOnly; Secure; SameSite=Lax"},
		{"path", session.Options{Cookie: session.Cookie{Path: "/app", SameSite: http.SameSiteStrictMode}},
			"__Secure-session=*; Path=/app; HttpOnly; Secure; SameSite=Strict",
			"__Secure-session=; Path=/app; " + gone + "; HttpOnly; Secure; SameSite=Strict"},
		{"name", session.Options{Cookie: session.Cookie{Name: "sid", SameSite: http.SameSiteDefaultMode}},
			"sid=*; Path=/; HttpOnly; Secure; SameSite=Lax",
			"sid=; Path=/; " + gone + "; HttpOnly; Secure; SameSite=Lax"},
		{"another site", session.Options{Cookie: session.Cookie{SameSite: http.SameSiteNoneMode, Partitioned: true}},
			"__Host-session=*; Path=/; HttpOnly; Secure; SameSite=None; Partitioned",
			"__Host-session=; Path=/; " + gone + "; HttpOnly; Secure; SameSite=None; Partitioned"},
		{"persistent", session.Options{Cookie: session.Cookie{Persistent: true}},
			"__Host-session=*; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax",
			"__Host-session=; Path=/; " + gone + "; HttpOnly; Secure; SameSite=Lax"},
		{"persistent and long", session.Options{AbsoluteTimeout: 1000 * 24 * time.Hour, Cookie: session.Cookie{Persistent: true}},
			"__Host-session=*; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax", ""},
		{"persistent and unlimited", session.Options{AbsoluteTimeout: -1, Cookie: session.Cookie{Persistent: true}},
			"__Host-session=*; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax", ""},
		{"persistent and short", session.Options{AbsoluteTimeout: 10 * time.Millisecond, Cookie: session.Cookie{Persistent: true}},
			"__Host-session=*; Path=/; Max-Age=1; HttpOnly; Secure; SameSite=Lax", ""}, // 0 would delete it
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // no time passes, so Max-Age is exact
				v := newVisitor(t, newManager(t, nil, c.o))
				res := v.do(func(s *session.Session) { _ = user.Set(s, "alice") })
				got := res.Header.Values("Set-Cookie")
				if len(got) != 1 || anyToken.ReplaceAllString(got[0], "*") != c.set {
					t.Errorf("got  %q\nwant %q", got, c.set)
				}
				if c.end == "" {
					return
				}
				got = v.do(func(s *session.Session) { _ = s.Destroy() }).Header.Values("Set-Cookie")
				if !slices.Equal(got, []string{c.end}) {
					t.Errorf("deletion: got  %q\nwant %q", got, c.end)
				}
			})
		})
	}
}

// The cookie of a renewed session lives as long as the session, whose absolute limit goes on.
func TestPersistentCookieAfterRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{Cookie: session.Cookie{Persistent: true}}))
		v.do(func(s *session.Session) { _ = user.Set(s, "alice") })
		time.Sleep(30 * time.Minute)
		got := v.do(func(s *session.Session) { _ = s.Renew() }).Header.Get("Set-Cookie")
		if !strings.Contains(got, "; Max-Age=84600;") { // 23.5 hours
			t.Errorf("got %q", got)
		}
	})
}

// fixture is a store with the sessions of alice and bob, and two tokens of which it knows nothing.
func fixture(t testing.TB, o session.Options) (m *session.Manager, store *counting, events *recorder, alice, bob string) {
	t.Helper()
	store, events = newCounting(), &recorder{}
	o.Observer = events
	m = newManager(t, store, o)
	for name, token := range map[string]*string{"alice": &alice, "bob": &bob} {
		session.SetRandom(m, strings.NewReader(strings.Repeat(name[:1], 32))) // a fuzzer needs the same tokens in each process
		v := newVisitor(t, m)
		res := v.do(func(s *session.Session) { _ = user.Set(s, name) })
		if *token = res.Header.Get(o.Header); o.Header == "" {
			_, *token, _ = strings.Cut(v.cookie, "=")
		}
	}
	store.take()
	return m, store, events, alice, bob
}

// who tells whose session a request with these header lines reaches.
func who(t testing.TB, m *session.Manager, field string, lines ...string) (owner string, res *http.Response) {
	t.Helper()
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		owner = user.Get(s)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header[field] = lines
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return owner, w.Result()
}

func TestCookieHeader(t *testing.T) {
	t.Parallel()
	m, store, events, alice, bob := fixture(t, session.Options{Cookie: session.Cookie{Name: "sid"}})
	dead := func(i int) string { return strings.Repeat(string(rune('a'+i)), 42) + "A" }
	a, b := "sid="+alice, "sid="+bob
	for _, c := range []struct {
		name      string
		lines     []string
		want      string
		reads     int
		malformed int
	}{
		{"none", nil, "", 0, 0},
		{"empty", []string{""}, "", 0, 0},
		{"one", []string{a}, "alice", 1, 0},
		{"among others", []string{"x=1; " + a + "; y=2"}, "alice", 1, 0},
		{"no spaces", []string{"x=1;" + a + ";y=2"}, "alice", 1, 0},
		{"many spaces and tabs", []string{" \t " + a + " \t ; y=2"}, "alice", 1, 0},
		{"only separators around", []string{";;; ;" + a + ";;"}, "alice", 1, 0},
		{"several lines", []string{"x=1", a, "y=2"}, "alice", 1, 0},
		{"first live one wins", []string{a + "; " + b}, "alice", 1, 0},
		{"first live one wins, over lines", []string{b, a}, "bob", 1, 0},
		{"a dead one in front", []string{"sid=" + dead(0) + "; " + a}, "alice", 2, 0},
		{"three dead ones in front", []string{"sid=" + dead(0) + "; sid=" + dead(1), "sid=" + dead(2) + "; " + a}, "alice", 4, 0},
		{"too many dead ones in front", []string{strings.Repeat("sid="+dead(0)+"; ", 4) + a}, "", 1, 0},
		{"the same dead one again", []string{"sid=" + dead(0) + "; sid=" + dead(0) + "; " + a}, "alice", 2, 0},
		{"malformed ones in front", []string{"sid=1; sid=2; sid=3; " + a}, "alice", 1, 3},
		{"too many malformed ones in front", []string{"sid=1; sid=2; sid=3; sid=4; " + a}, "", 0, 4},
		{"a thousand dead ones", []string{strings.Repeat("sid="+dead(0)+"; sid="+dead(1)+"; sid="+dead(2)+"; ", 334)}, "", 3, 0},
		{"empty value", []string{"sid=; sid; sid=;" + a}, "alice", 1, 0},
		{"quotes", []string{`sid="` + alice + `"`}, "", 0, 1},
		{"another case", []string{"SID=" + alice}, "", 0, 0},
		{"space before the equals sign", []string{"sid =" + alice}, "", 0, 0},
		{"space behind the equals sign", []string{"sid= " + alice}, "", 0, 1},
		{"name as a suffix", []string{"xsid=" + alice}, "", 0, 0},
		{"name as a prefix", []string{"sidx=" + alice}, "", 0, 0},
		{"comma instead of semicolon", []string{"x=1, " + a}, "", 0, 0},
		{"two equals signs", []string{"sid==" + alice}, "", 0, 1},
		{"percent-encoded", []string{"s%69d=" + alice}, "", 0, 0},
		{"padded", []string{a + "="}, "", 0, 1},
		{"NUL behind", []string{a + "\x00"}, "", 0, 1},
		{"non-breaking space", []string{"\u00a0" + a}, "", 0, 0},
	} {
		store.take()
		before := events.count(session.EventMalformed)
		got, res := who(t, m, "Cookie", c.lines...)
		if calls := store.take(); got != c.want || calls["read"] != c.reads || res.StatusCode != http.StatusOK {
			t.Errorf("%s: got %q with %v, want %q with %d reads", c.name, got, calls, c.want, c.reads)
		}
		if n := events.count(session.EventMalformed) - before; n != c.malformed {
			t.Errorf("%s: %d malformed tokens, want %d", c.name, n, c.malformed)
		}
	}
}

// A token counts only where it belongs: not in the query, a form, or another header (ASVS 14.2.1).
func TestTokenElsewhere(t *testing.T) {
	t.Parallel()
	m, store, _, alice, _ := fixture(t, session.Options{Cookie: session.Cookie{Name: "sid"}})
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.Get(r.Context()); err != nil || user.Get(s) != "" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
	}))
	r := httptest.NewRequest(http.MethodPost, "/"+alice+";sid="+alice+"?sid="+alice, strings.NewReader("sid="+alice))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, name := range []string{"Sid", "X-Session", "Authorization", "Cookie2", "Set-Cookie"} {
		r.Header.Set(name, "sid="+alice)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	if calls := store.take(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestHeaderTransport(t *testing.T) {
	t.Parallel()
	m, store, _, alice, bob := fixture(t, session.Options{Header: "x-session-TOKEN"})
	const name = "X-Session-Token"
	for _, c := range []struct {
		lines []string
		want  string
		reads int
	}{
		{nil, "", 0}, {[]string{""}, "", 0}, {[]string{alice}, "alice", 1}, {[]string{"", bob, alice}, "bob", 1}, {[]string{"x", alice}, "alice", 1},
		{[]string{alice + ", " + bob}, "", 0}, {[]string{"Bearer " + alice}, "", 0}, {[]string{"1", "2", "3", "4", alice}, "", 0},
	} {
		got, res := who(t, m, name, c.lines...)
		if calls := store.take(); got != c.want || calls["read"] != c.reads {
			t.Errorf("%d values: got %q with %v", len(c.lines), got, calls)
		}
		if _, sent := res.Header[name]; sent || res.Header.Get("Vary") != name || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("a read answers %v", res.Header)
		}
	}
	if got, _ := who(t, m, "Cookie", "__Host-session="+alice+"; "+name+"="+alice); got != "" {
		t.Error("a cookie opens the session")
	}
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = s.Destroy()
	}))
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	r.Header.Set(name, alice)
	h.ServeHTTP(w, r)
	if got := w.Result().Header; !slices.Equal(got[name], []string{""}) || got.Get("Set-Cookie") != "" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("the end answers %v", got)
	}
}

// A header of 1 MiB, which net/http would let through, costs at most four reads and no noticeable time.
func TestHugeCookieHeader(t *testing.T) {
	t.Parallel()
	m, store, _, alice, _ := fixture(t, session.Options{Cookie: session.Cookie{Name: "sid"}})
	const size = 1 << 20
	for name, c := range map[string]struct{ header, want string }{
		"separators":       {strings.Repeat(";", size) + "sid=" + alice, "alice"},
		"spaces":           {strings.Repeat(" ", size) + "sid=" + alice, "alice"},
		"other cookies":    {strings.Repeat("a=b; ", size/5) + "sid=" + alice, "alice"},
		"one long value":   {"sid=" + strings.Repeat("A", size) + "; sid=" + alice, "alice"},
		"one long name":    {strings.Repeat("a", size) + "=1; sid=" + alice, "alice"},
		"empty values":     {strings.Repeat("sid=;", size/5) + "sid=" + alice, "alice"},
		"malformed tokens": {strings.Repeat("sid=1;", size/6) + "sid=" + alice, ""},
		"dead tokens":      {strings.Repeat("sid="+strings.Repeat("A", 43)+";", size/48) + "sid=" + alice, ""},
	} {
		start := time.Now()
		got, _ := who(t, m, "Cookie", c.header)
		if took := time.Since(start); took > 10*time.Second { // milliseconds; minutes if it were quadratic
			t.Errorf("%s: took %v", name, took)
		}
		if calls := store.take(); got != c.want || calls["read"] > 4 {
			t.Errorf("%s: got %q with %v", name, got, calls)
		}
	}
}

func TestCacheHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		cache, vary string // what the handler sets
		use         func(*session.Session)
		wantCache   string
		wantVary    string
	}{
		{"not used", "", "", nil, "", ""},
		{"not used, cached", "public, max-age=60", "Accept", nil, "public, max-age=60", "Accept"},
		{"read", "", "", func(s *session.Session) { user.Get(s) }, "no-store", "Cookie"},
		{"read, the handler decides", "private, max-age=5", "", func(s *session.Session) { user.Get(s) }, "private, max-age=5", "Cookie"},
		{"read, other Vary", "", "Accept-Encoding", func(s *session.Session) { user.Get(s) }, "no-store", "Accept-Encoding,Cookie"},
		{"read, same Vary", "", "Accept, cookie", func(s *session.Session) { user.Get(s) }, "no-store", "Accept, cookie"},
		{"read, any Vary", "", "*", func(s *session.Session) { user.Get(s) }, "no-store", "*"},
		{"new token", "public, max-age=60", "", func(s *session.Session) { _ = user.Set(s, "a") }, "no-store", "Cookie"},
	} {
		res := newVisitor(t, newManager(t, nil, session.Options{})).serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			for name, value := range map[string]string{"Cache-Control": c.cache, "Vary": c.vary} {
				if value != "" {
					w.Header().Set(name, value)
				}
			}
			if c.use == nil {
				return
			}
			if s, err := session.Get(r.Context()); err != nil {
				t.Error(err)
			} else {
				c.use(s)
			}
		})
		got := res.Header
		if got.Get("Cache-Control") != c.wantCache || strings.Join(got.Values("Vary"), ",") != c.wantVary {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// FuzzCookieHeader: no header makes the middleware panic, ask the store for a malformed token or for more than four
// well-formed ones, take more memory than the header is long, or send anything back.
func FuzzCookieHeader(f *testing.F) {
	m, store, events, alice, bob := fixture(f, session.Options{
		Cookie:        session.Cookie{Name: "sid"},
		TouchInterval: -1, IdleTimeout: -1, AbsoluteTimeout: 365 * 24 * time.Hour, // however long it runs
	})
	f.Add("sid="+alice, "")
	f.Add("x=1; sid="+bob+";sid="+alice, `sid="`+bob+`"`)
	f.Add(strings.Repeat("sid=", 10), "sid=a;sid==;;=; sid =x")
	f.Add("sid="+strings.Repeat("A", 43)+"\r\n; sid=../../etc/passwd", "sid=\x00")
	pair := regexp.MustCompile(`^[ \t]*sid=(.*?)[ \t]*$`)
	h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.Get(r.Context()); err == nil {
			_, _ = io.WriteString(w, user.Get(s))
		} else {
			w.WriteHeader(session.StatusCode(err))
		}
	}))
	f.Fuzz(func(t *testing.T, first, second string) {
		var tokens []string // an independent reading of the header
		for _, part := range append(strings.Split(first, ";"), strings.Split(second, ";")...) {
			if sub := pair.FindStringSubmatch(strings.ReplaceAll(part, "\n", "\r")); sub != nil && sub[1] != "" && len(tokens) < 4 {
				tokens = append(tokens, sub[1])
			}
		}
		want, reads, malformed, tried := "", 0, events.count(session.EventMalformed), map[string]bool{}
		for _, token := range tokens {
			if !tokenForm.MatchString(token) {
				malformed++
			} else if secret := secretPart(token); !tried[secret] && want == "" {
				tried[secret] = true
				reads++
				want = map[string]string{secretPart(alice): "alice", secretPart(bob): "bob"}[secret]
			}
		}
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header["Cookie"] = []string{first, second}
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("answers %d %q, want %q", w.Code, w.Body, want)
		}
		if calls := store.take(); calls["read"] != reads || len(calls) > min(reads, 1) {
			t.Errorf("calls %v, want %d reads", calls, reads)
		}
		if n := events.count(session.EventMalformed); n != malformed {
			t.Errorf("%d malformed tokens, want %d", n, malformed)
		}
		bounded(t, 2*(len(first)+len(second)), func() { h.ServeHTTP(httptest.NewRecorder(), r) })
		events.events = nil
		store.take()
		if got := w.Header(); len(got) > 3 || got.Get("Vary") != "Cookie" || got.Get("Cache-Control") != "no-store" || got.Get("Set-Cookie") != "" {
			t.Errorf("headers %v", got)
		}
	})
}
