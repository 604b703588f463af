package fallback_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// One master of a cluster stands still, and its visitors only read, so that no node has a reason to tell the others. They wait for it
// a few times, perhaps for so long that no time is left to ask MariaDB. Then that serves them; nobody is refused, and Redis
// serves them again when it goes on. The other masters answer all the time, and a probe that asked only one of them would not do.
func TestOneMasterStandsStill(t *testing.T) {
	t.Parallel()
	cluster, maria := servers.StartRedisCluster(t, nil), servers.StartMariaDB(t, nil)
	n := &node{name: "0", dir: t.TempDir()}
	if err := n.start(cluster.URL(), maria.URL(), session.LockOptions{}, t.Output()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.shut(t) })
	up := func() bool { st := n.store.Status(); return st.Believed && st.FastUp }
	await := func(what string, is func() bool) {
		t.Helper()
		for begin := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > 30*time.Second {
				t.Fatalf("%s: %+v", what, n.store.Status())
			}
		}
	}
	await("it does not begin to use Redis", up)
	tokens := make([]string, 60)
	for i := range tokens {
		insist(t, "login", func() bool {
			var status int
			status, _, tokens[i], _ = n.get("/login", "")
			return status == http.StatusOK
		})
	}
	// round has everybody read once, and returns how many waited for longer than MariaDB takes, and how many were refused.
	round := func() (waited, refused int) {
		for i, token := range tokens {
			status, p, _, took := n.get("/show", token)
			if took > 100*time.Millisecond {
				waited++
			}
			if status == http.StatusServiceUnavailable {
				refused++
			} else if p.User == "" {
				t.Errorf("visitor %d: status %d, user %q after %v", i, status, p.User, took)
			}
		}
		return waited, refused
	}
	round()
	cluster.Nodes()[1].Stop()
	waited, refused := round()
	t.Logf("%d of %d waited, of whom %d were refused", waited, len(tokens), refused)
	if waited == 0 || refused > waited || up() {
		t.Errorf("%d waited for a master that stands still, %+v", waited, n.store.Status())
	}
	const rounds = 20
	waited, refused = 0, 0
	for range rounds {
		w, r := round()
		waited, refused = waited+w, refused+r
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("then %d of %d", waited, rounds*len(tokens))
	if waited > rounds*len(tokens)/50 || refused > 0 || up() {
		t.Errorf("%d waited and %d were refused when it was known, %+v", waited, refused, n.store.Status())
	}
	cluster.Nodes()[1].Continue()
	await("it does not use Redis again", up)
	round()
	cluster.Await()
	before := reads(t, cluster)
	if waited, refused := round(); waited > len(tokens)/10 || refused > 0 {
		t.Errorf("%d wait and %d are refused when it is back", waited, refused)
	}
	if got := reads(t, cluster) - before; got < len(tokens) {
		t.Errorf("Redis was asked %d times for %d reads", got, len(tokens))
	}
}

// reads is how many times the masters have been asked for a session.
func reads(t *testing.T, c *servers.RedisCluster) (n int) {
	for _, node := range c.Nodes() {
		stats, err := node.Admin().InfoMap(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		var calls int
		if line := stats["Commandstats"]["cmdstat_evalsha"]; line != "" {
			if _, err := fmt.Sscanf(line, "calls=%d,", &calls); err != nil {
				t.Fatal(line, err)
			}
		}
		n += calls
	}
	return n
}
