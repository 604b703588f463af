package fallback_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The nodes start and serve without Redis, whether it refuses connections or swallows them, and use it when it is there.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(*site, *node){
		"refuses":    func(_ *site, n *node) { n.redis.Redirect("127.0.0.1:1") },
		"black hole": func(_ *site, n *node) { n.redis.Harm(servers.Harm{Hole: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, nil, nil)
			for _, n := range s.nodes {
				hide(s, n)
			}
			begin := time.Now()
			s.open(fallback.Mirrored)
			var token string
			for status := 0; status != http.StatusOK; {
				if time.Since(begin) > time.Minute {
					t.Fatalf("nobody can log in: status %d", status)
				}
				status, _, token, _ = s.nodes[0].get("/login", "")
			}
			t.Logf("the first login works %v after the start", time.Since(begin).Round(time.Millisecond))
			for i, n := range s.nodes {
				if status, p := n.answer("/show", token); status != http.StatusOK || p.User == "" {
					t.Errorf("node %d without Redis: status %d, user %q", i, status, p.User)
				}
			}
			c := s.visit(5, false, 60*time.Millisecond, 0)
			time.Sleep(time.Second)
			for _, n := range s.nodes {
				n.redis.Redirect(s.redis.Addr())
				n.redis.Harm(servers.Harm{})
			}
			s.settle()
			c.leave()
			s.agree(c)
		})
	}
}
