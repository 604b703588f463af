package fallback_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Nodes are shut while visitors are there, and MariaDB is there or not; then they begin anew. Nothing is lost.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("MariaDB away: %t", away), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, nil)
			c := s.visit(10, false, 60*time.Millisecond, 0)
			time.Sleep(500 * time.Millisecond)
			if away {
				s.maria.Kill()
				time.Sleep(time.Second)
			}
			c.enter("shut")
			begin := time.Now()
			for _, n := range s.nodes {
				n.shut(t)
			}
			took := time.Since(begin)
			time.Sleep(100 * time.Millisecond)
			c.leave()
			t.Logf("three nodes are shut in %v", took.Round(time.Millisecond))
			if took > 30*time.Second {
				t.Errorf("it took %v to shut three nodes", took)
			}
			if away {
				s.maria.Restart()
			}
			for _, n := range s.nodes {
				s.boot(n)
			}
			s.settle()
			s.agree(c)
			c.report()
		})
	}
}

// When Redis comes back empty, its visitors do not come down on MariaDB: each session is read there about once, and then Redis
// has it.
func TestHerd(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	sessions := 500
	if soak() > 0 {
		sessions = 5000
	}
	tokens := make([]string, sessions)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < sessions; i += 8 {
				insist(t, "login", func() bool { _, _, tokens[i], _ = s.nodes[i%3].get("/login", ""); return tokens[i] != "" })
			}
		})
	}
	all.Wait()
	s.redis.Kill()
	s.redis.Restart()
	s.nodes[0].get("/show", tokens[0]) // so that somebody notices
	s.settle()
	before := s.questions()
	const rounds = 3
	for round := range rounds {
		for w := range 8 {
			all.Go(func() {
				for i := w; i < sessions; i += 8 {
					var p page
					insist(t, "reading", func() bool {
						var status int
						status, p, _, _ = s.nodes[(i+round)%3].get("/show", tokens[i])
						return status == http.StatusOK
					})
					if p.User == "" {
						t.Errorf("session %d is gone", i)
					}
				}
			})
		}
		all.Wait()
	}
	asked := s.questions() - before
	t.Logf("%d sessions, read %d times each on three nodes: %d statements of MariaDB", sessions, rounds, asked)
	if asked > int64(2*sessions) {
		t.Errorf("%d statements for %d sessions: they are not read from Redis", asked, sessions)
	}
}
