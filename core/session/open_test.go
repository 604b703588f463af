package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

func openMemory(context.Context, *url.URL) (session.Handler, error) { return memstore.New(nil), nil }

// openNothing is an Opener that knows the parameter db and cannot reach anything.
func openNothing(_ context.Context, u *url.URL) (session.Handler, error) {
	p := storeurl.New(u)
	p.Int("db", 0, 0)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: nobody listens", session.ErrUnavailable)
}

func testMux() *session.Mux {
	m := &session.Mux{}
	m.Register("memory", "example.com/memory", openMemory)
	m.Register("redis", "example.com/one", openNothing)
	m.Register("twice", "example.com/two", openMemory)
	m.Register("twice", "example.com/one", openMemory)
	return m
}

func TestMuxErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url  string
		want []string // parts of the message
	}{
		{"", []string{"empty"}},
		{"/var/lib/app", []string{"no scheme", "file:///"}},
		{"//host/path", []string{"no scheme"}},
		{"rediss://h", []string{"rediss://", "forgotten import?", "registered: memory, redis, twice"}},
		{"twice://h", []string{"twice://", "example.com/one and example.com/two", "import only one"}},
		{"redis://h:port", []string{"cannot be parsed", "percent-encoded"}},
		{"redis://[::1", []string{"cannot be parsed"}},
		{"://h", []string{"cannot be parsed"}},
		{"redis://h\n", []string{"white space"}},
		{"redis://u:p@h:6379/0", []string{"redis://h:6379: ", "nobody listens"}},
		{"REDIS://H", []string{"redis://H: "}},
		{"redis://h?dbb=1", []string{"redis://h: ", "unknown parameter dbb", "known are: db"}},
	} {
		h, err := testMux().Open(t.Context(), c.url)
		if h != nil || err == nil {
			t.Errorf("%q opens", c.url)
			continue
		}
		if e, ok := errors.AsType[*session.Error](err); !ok || e.Op != "open" {
			t.Errorf("%q: not an *Error of open: %v", c.url, err)
		}
		for _, want := range append(c.want, "session: open: ") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v\nwithout %q", c.url, err, want)
			}
		}
	}
	if _, err := testMux().Open(t.Context(), "redis://h"); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("the opener's error is lost: %v", err)
	}
}

func TestMuxZeroValue(t *testing.T) {
	t.Parallel()
	var m session.Mux
	if h, err := m.Open(t.Context(), "memory://"); h != nil || err == nil || !strings.Contains(err.Error(), "forgotten import?") {
		t.Errorf("got %v, %v", h, err)
	}
	m.Register("memory", "x", openMemory)
	if h, err := m.Open(t.Context(), "memory://"); h == nil || err != nil {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestDefaultMux(t *testing.T) {
	t.Parallel()
	h, err := session.Open(t.Context(), "memory://") // memstore's init
	if err != nil {
		t.Fatal(err)
	}
	if m := newManager(t, h, session.Options{}); m.Ping(t.Context()) != nil {
		t.Error("the store does not answer")
	}
	scheme := "x" + strings.ToLower(rand.Text()) // the default Mux outlives a run, and -count runs again
	session.Register(scheme, "here", openMemory)
	if _, err := session.Open(t.Context(), scheme+"://"); err != nil {
		t.Error(err)
	}
	if _, err := (&session.Mux{}).Open(t.Context(), "memory://"); err == nil {
		t.Error("a Mux of its own finds what the default one has")
	}
}

func TestRegisterPanics(t *testing.T) {
	t.Parallel()
	for name, register := range map[string]func(*session.Mux){
		"nil":   func(m *session.Mux) { m.Register("x", "a", nil) },
		"twice": func(m *session.Mux) { m.Register("x", "a", openMemory); m.Register("x", "a", openMemory) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, "session: ") || !strings.Contains(text, "x") {
					t.Errorf("%s: %s", name, text)
				}
			}()
			register(&session.Mux{})
		}()
	}
	m := &session.Mux{} // the same name for another scheme, or another name for the same scheme, is fine
	m.Register("x", "a", openMemory)
	m.Register("y", "a", openMemory)
	m.Register("x", "b", openMemory)
}

func TestMuxConcurrent(t *testing.T) {
	t.Parallel()
	var m session.Mux
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				scheme := fmt.Sprintf("s%d-%d", i, j)
				m.Register(scheme, "a", openMemory)
				if _, err := m.Open(t.Context(), scheme+"://"); err != nil {
					t.Error(err)
				}
				_, _ = m.Open(t.Context(), "unknown://")
			}
		})
	}
	wg.Wait()
}

const secret = "Tr0ub4dor"

// secretURLs hold a secret where people put it, well and badly written.
func secretURLs() []string {
	var urls []string
	for _, form := range []string{
		"$://u:*@h:6379/0", "$://:*@h", "$://*@h", "$://u:*@h:port", "$://u:*%zz@h", "$://u:*%@h", "$://u:*#x@h:1", "$://u:x#*@h", "$://u:*/x@h",
		"$://u:x/*@h", "$://u:*?x@h", "$://u:x?*@h", "$://u:* x@h", "$://u:x *@h", "$://u:*@[::1", "$://u:*@h\x7f", "$://u:*@h /", "$://u:*[@h", "$://u:*\\@h",
		"$://u:*@x@h", "$://u:x@*@h", "$://h?password=*", "$://h?db=*", "$://h?db=1&db=*", "$://h?*", "$://h?*=1", "$://h?db=1;*", "$://h?%zz*", "$://h/*", "$://h#*",
		"$://u:é*@h", "$:u:*@h", "$:*", "$:/*", "$:///*", "//u:*@h", "u:*@h", "u:*@tcp(h:3306)/db", ":*@h", "/*", "?*", "#*", "$ ://u:*@h", "1$://u:*@h", "://u:*@h",
	} {
		for _, scheme := range []string{"redis", "unknown", "twice"} {
			urls = append(urls, strings.NewReplacer("*", secret, "$", scheme).Replace(form))
		}
	}
	return urls
}

func TestOpenShowsNoSecret(t *testing.T) {
	t.Parallel()
	m := testMux()
	for _, raw := range secretURLs() {
		_, err := m.Open(t.Context(), raw)
		if err == nil {
			if !strings.HasPrefix(raw, "twice") {
				t.Errorf("%q opens", raw)
			}
			continue
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%q: %s", raw, text)
			}
		}
	}
}

// FuzzOpen puts a secret anywhere: it shows only where it is the scheme or the host.
func FuzzOpen(f *testing.F) {
	for _, raw := range secretURLs() {
		before, after, _ := strings.Cut(raw, secret)
		f.Add(before, after)
	}
	m := testMux()
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(strings.ToLower(before+after), "ub4d") {
			return // the fuzzer has learnt the secret
		}
		raw := before + secret + after
		_, err := m.Open(t.Context(), raw)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(secret)) {
			return
		}
		u, parseErr := url.Parse(raw)
		if parseErr != nil || !strings.Contains(strings.ToLower(u.Scheme+"://"+u.Host), strings.ToLower(secret)) {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
