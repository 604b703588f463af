package demo_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEveryFramework asks each node directly, so that all three frameworks answer each question.
func TestEveryFramework(t *testing.T) {
	t.Parallel()
	d := start(t)
	for name, base := range d.nodes {
		t.Run(name, func(t *testing.T) {
			t.Run("without session", func(t *testing.T) { withoutSession(t, d, base) })
			t.Run("page", func(t *testing.T) { page(t, d, base) })
			t.Run("bad input", func(t *testing.T) { badInput(t, d, base) })
			t.Run("events", func(t *testing.T) { events(t, d, base) })
		})
	}
	t.Run("events through the balancer", func(t *testing.T) { events(t, d, d.base) })
}

// withoutSession asks for what has nothing to do with sessions, with a cookie that would cost a read of the store.
func withoutSession(t *testing.T, d *demo, base string) {
	v := d.visitor(t)
	v.ok("POST", "/api/visit")
	for path, kind := range map[string]string{
		"/healthz": "text/plain", "/static/app.css": "text/css", "/static/app.js": "text/javascript",
	} {
		resp, body := v.send(t.Context(), base, "GET", path)
		if resp == nil {
			return
		}
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || len(body) == 0 {
			t.Errorf("%s: %d, %s, %d bytes, want 200 and %s", path, resp.StatusCode, resp.Header.Get("Content-Type"), len(body), kind)
		}
		if resp.Header.Get("Vary") != "" || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s used the session: %v", path, resp.Header)
		}
	}
}

func page(t *testing.T, d *demo, base string) {
	v := d.visitor(t)
	v.ok("POST", "/api/login", "user", "<ada>")
	v.ok("POST", "/api/set", "key", "<k>", "value", "<b>x</b>")
	before := v.ok("POST", "/api/visit")
	resp, body := v.send(t.Context(), base, "GET", "/")
	if resp == nil {
		return
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("page: %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, want := range []string{
		">" + resp.Header.Get("X-Node") + "</strong>", `id="user">&lt;ada&gt;<`, `id="visits">1<`,
		"<td>&lt;k&gt;</td><td>&lt;b&gt;x&lt;/b&gt;</td>",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if after := v.ok("GET", "/api/session"); after.Visits != before.Visits {
		t.Error("looking at the page has changed the session")
	}
}

func badInput(t *testing.T, d *demo, base string) {
	long := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		name, method, path string
		params             []string
		status             int
		text               string
	}{
		{"no key", "POST", "/api/set", nil, 400, "key is missing"},
		{"empty key", "POST", "/api/set", []string{"key", "", "value", "x"}, 400, "key is missing"},
		{"long key", "POST", "/api/set", []string{"key", long[:65]}, 400, "key has 65 bytes"},
		{"long value", "POST", "/api/set", []string{"key", "a", "value", long}, 400, "value has 1001 bytes"},
		{"control character", "POST", "/api/set", []string{"key", "a\x00b"}, 400, "control characters"},
		{"not UTF-8", "POST", "/api/set", []string{"key", "a", "value", "\xff"}, 400, "UTF-8"},
		{"no user", "POST", "/api/login", nil, 400, "user is missing"},
		{"long user", "POST", "/api/login", []string{"user", long}, 400, "user has 1001 bytes"},
		{"ms is no number", "GET", "/api/slow", []string{"ms", "soon"}, 400, "ms must be"},
		{"negative ms", "GET", "/api/slow", []string{"ms", "-1"}, 400, "ms must be"},
		{"too many ms", "GET", "/api/slow", []string{"ms", "10001"}, 400, "ms must be"},
		{"exclusive for too many ms", "POST", "/api/exclusive", []string{"ms", "10001"}, 400, "ms must be"},
		{"slow with a long key", "GET", "/api/slow", []string{"key", long}, 400, "key has 1001 bytes"},
		{"no such path", "GET", "/api/nothing", nil, 404, "Not Found"},
	} {
		v := d.visitor(t)
		a := v.callAt(base, tt.method, tt.path, tt.params...)
		if a.status != tt.status || !strings.Contains(a.Error, tt.text) {
			t.Errorf("%s: %d %q, want %d and %q", tt.name, a.status, a.Error, tt.status, tt.text)
		}
		if v.token() != "" {
			t.Errorf("%s: made a session", tt.name)
		}
	}
}

// events reads a stream: its first bytes bring the cookie, and the events come one by one.
func events(t *testing.T, d *demo, base string) {
	var gap time.Duration
	for range 3 { // a reader that was not scheduled for a while finds events together
		v := d.visitor(t)
		resp, err := v.client.Get(base + "/api/events")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		kind := resp.Header.Get("Content-Type")
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
			t.Fatalf("events: %d, %s", resp.StatusCode, kind)
		}
		var times []time.Time
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				times = append(times, time.Now())
				if !strings.Contains(data, `"node":"`+resp.Header.Get("X-Node")+`"`) {
					t.Errorf("event %q does not name its node", data)
				}
				if len(times) == 1 && v.ok("GET", "/api/session").Values["stream"] == "" {
					t.Error("what the stream has set is not stored when its first event arrives")
				}
			}
		}
		if err := lines.Err(); err != nil || len(times) != 3 {
			t.Fatalf("%d events, %v, want 3", len(times), err)
		}
		if gap = min(times[1].Sub(times[0]), times[2].Sub(times[1])); gap > 100*time.Millisecond {
			return
		}
	}
	t.Errorf("events came with %v between them, want them one by one", gap)
}
