package demo_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The budgets of session.Options by default, and what an answer may take beyond.
const (
	readBudget   = 400 * time.Millisecond
	commitBudget = 600 * time.Millisecond
	surplus      = 50 * time.Millisecond
	atOnce       = 50 * time.Millisecond
)

// TestStoreStopped stops Redis with connections open: what needs a session says so within its budget, all else goes on.
func TestStoreStopped(t *testing.T) {
	t.Parallel()
	redis := servers.StartRedis(t, nil)
	d := start(t, "-store", redis.URL())
	v := d.visitor(t)
	v.ok("POST", "/api/login", "user", "ada")
	v.ok("POST", "/api/visit")
	token := v.token()

	redis.Stop()
	for name, base := range d.nodes {
		t.Run(name, func(t *testing.T) {
			fastest(t, readBudget+surplus, func() time.Duration { return unavailable(t, v, base, "GET", "/api/session") })
			fastest(t, readBudget+surplus, func() time.Duration { return unavailable(t, v, base, "GET", "/api/events") })
			fastest(t, commitBudget+surplus, func() time.Duration { return unavailable(t, d.visitor(t), base, "POST", "/api/visit") })
			unavailable(t, d.visitor(t), base, "GET", "/api/events") // the commit fails; the handler may run on for a while
			for _, path := range []string{"/healthz", "/static/app.css"} {
				fastest(t, atOnce, func() time.Duration {
					begin := time.Now()
					if resp, _ := v.send(t.Context(), base, "GET", path); resp == nil || resp.StatusCode != http.StatusOK {
						t.Errorf("%s: want 200", path)
					}
					return time.Since(begin)
				})
			}
			resp, body := v.send(t.Context(), base, "GET", "/")
			if resp == nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "does not answer") {
				t.Errorf("the page does not tell: %.200s", body)
			}
		})
	}
	redis.Continue()

	for name, base := range d.nodes {
		eventually(t, name+" serves the session again", func() bool {
			a := v.callAt(base, "GET", "/api/session")
			return a.status == http.StatusOK && a.User == "ada" && a.Visits == 1
		})
	}
	if v.token() != token {
		t.Error("the visitor has lost the cookie")
	}
}

// unavailable sends a request that needs a session, and returns how long the 503 took.
func unavailable(t *testing.T, v *visitor, base, method, path string) time.Duration {
	t.Helper()
	a := v.callAt(base, method, path)
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.Error, "does not answer") {
		t.Errorf("%s %s: %d %q, want 503 and the reason", method, path, a.status, a.Error)
	}
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("%s %s: Content-Type %q, want JSON", method, path, kind)
	}
	if a.header.Get("Set-Cookie") != "" || a.header.Get("X-Node") == "" {
		t.Errorf("%s %s: header %v, want X-Node and no cookie", method, path, a.header)
	}
	return a.took
}

// fastest measures up to 5 times, because the machine may be busy, and fails the test if the bound was never met.
func fastest(t *testing.T, bound time.Duration, measure func() time.Duration) {
	t.Helper()
	best := time.Duration(1<<63 - 1)
	for range 5 {
		if best = min(best, measure()); best <= bound {
			return
		}
	}
	t.Errorf("the fastest answer took %v, want %v", best, bound)
}
