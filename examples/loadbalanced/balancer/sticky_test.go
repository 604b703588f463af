package balancer_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

func TestSticky(t *testing.T) {
	t.Parallel()
	var sticky atomic.Bool
	a, b, c := startNode(t, "a", echo), startNode(t, "b", echo), startNode(t, "c", echo)
	s := httptest.NewServer(balancer.Sticky(sticky.Load, a, b, c))
	t.Cleanup(s.Close)
	// ask returns who answers a visitor whom node answered last, and which node the cookie names from now on.
	ask := func(node string) (by, cookie string) {
		resp, _ := do(t, "GET", s.URL+"/", "", "Cookie", balancer.NodeCookie+"="+node)
		cookie = node
		for _, c := range resp.Cookies() {
			cookie = c.Value
		}
		return resp.Header.Get("X-Node"), cookie
	}
	seen := map[string]bool{}
	for range 3 {
		by, cookie := ask("b")
		if seen[by] = true; cookie != by {
			t.Errorf("%s answers, and the cookie names %s", by, cookie)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three requests were answered by %v, want all", seen)
	}
	sticky.Store(true)
	for range 4 {
		if by, cookie := ask("b"); by != "b" || cookie != "b" {
			t.Errorf("%s answers, and the cookie names %s, want b", by, cookie)
		}
	}
	b.Stop()
	if by, cookie := ask("b"); by == "b" || cookie != by {
		t.Errorf("with b stopped %s answers, and the cookie names %s", by, cookie)
	}
	if by, cookie := ask("nobody"); by == "" || cookie != by {
		t.Errorf("%q answers who has never been here, and the cookie names %q", by, cookie)
	}
	fails := startNode(t, "fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	broken := httptest.NewServer(balancer.Sticky(sticky.Load, fails))
	t.Cleanup(broken.Close)
	if resp, _ := do(t, "GET", broken.URL+"/", ""); len(resp.Cookies()) != 0 {
		t.Errorf("after a failure the cookie names %v, want none", resp.Cookies())
	}
	if resp, _ := do(t, "POST", s.URL+"/", "", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Errorf("another site: status %d, want 403", resp.StatusCode)
	}
	if _, text := do(t, "POST", s.URL+"/balancer/stop?node=a", ""); a.Address() == "" {
		t.Errorf("a visitor has stopped a node: %s", text)
	}
}
