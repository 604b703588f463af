package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// recovery is more than a client may take to notice a new master, on a busy machine. Usually it takes some 100 ms.
const recovery = 10 * time.Second

// A slot is half moved for seconds, under load: no call fails, no change is lost. That takes no permission but those that
// the package doc names.
func testClusterHalfMigrated(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Users: []string{"web on >s3cret " + leastPrivilege + clusterPrivilege}})
	s := open(t, c.UserURL("web", "s3cret"))
	const slot = 1234
	from, to := c.Nodes()[0], c.Nodes()[1]
	in := func(k string) bool { return servers.Slot(k) == slot }
	tr := drive(t, s, 24, in) // enough for commands to meet
	tr.awaitAll(time.Now())
	c.BeginMigration(slot, from, to)
	if n := c.MoveKeys(slot, 12, from, to); n != 12 {
		t.Errorf("%d keys are moved, want 12", n)
	}
	more := drive(t, s, 12, in) // which are created on the node that the slot moves to
	time.Sleep(5 * time.Second)
	for c.MoveKeys(slot, 100, from, to) > 0 {
	}
	c.FinishMigration(slot, from, to)
	tr.awaitAll(time.Now())
	for name, tr := range map[string]*traffic{"there before": tr, "created meanwhile": more} {
		slowest, acked := tr.expectAll()
		t.Logf("%s: %d changes, the slowest call took %v", name, acked, slowest)
	}
}

// Two thousand slots move under load, and then all others of the node: no call fails, no change is lost.
func testClusterReshard(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	s := open(t, c.URL())
	from, to := c.Nodes()[0], c.Nodes()[1]
	tr := drive(t, s, 12, nil)
	tr.awaitAll(time.Now())
	tr.pause(0)
	for slot := range 2000 {
		c.MoveSlot(slot, from, to)
	}
	slowest := tr.slowest()
	for slot := 2000; c.Owner(slot) == from; slot++ {
		c.MoveSlot(slot, from, to)
	}
	tr.awaitAll(time.Now())
	time.Sleep(time.Second) // until clients have noticed that the node is of no use any more
	drained, acked := tr.expectAll()
	t.Logf("%d changes, the slowest call took %v while 2,000 slots moved, and %v until the node was empty", acked, slowest, drained)
}

// The URL still names a node that was taken out of the cluster, but goes on running. It knows of no slots, and must not be
// believed.
func testClusterStranger(t *testing.T) {
	t.Parallel()
	c, stranger := servers.StartRedisCluster(t, nil), servers.StartClusterNode(t)
	rawURL := strings.Replace(c.URL(), "://", "://"+stranger.Addr()+",", 1)
	for range 20 { // the nodes are asked in random order
		s := open(t, rawURL)
		must(t, "Ping", s.Ping(t.Context()))
		must(t, "Close", s.Close())
	}
	only := open(t, strings.Replace(stranger.URL(), "://", "+cluster://", 1))
	if err := only.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("a node without slots: got error %v, want %v", err, session.ErrUnavailable)
	}
}

// A master dies, or stops answering. Its sessions work again soon after a replica has taken over, and those of the other
// masters all the time.
func testClusterFailover(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*servers.Redis){"SIGKILL": (*servers.Redis).Kill, "SIGSTOP": (*servers.Redis).Stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Replicas: 1})
			s := openAsIs(t, c.URL())
			master := c.Nodes()[0] // it has the slots up to 5460
			mine := drive(t, s, 12, func(k string) bool { return servers.Slot(k) < 5000 })
			others := drive(t, s, 4, func(k string) bool { return servers.Slot(k) > 6000 })
			mine.awaitAll(time.Now())
			others.awaitAll(time.Now())
			quiet := others.pause(time.Second)

			end(master)
			ended := time.Now()
			until(t, func() bool { owner := c.Owner(100); return owner != nil && owner != master })
			promoted := time.Now()
			took := mine.awaitAll(promoted)
			if took > recovery {
				t.Errorf("the sessions of the master work again %v after the promotion", took)
			}
			slowest, _ := others.expectAll()
			t.Logf("promoted after %v, works %v later; sessions of other masters: slowest call %v, before %v", promoted.Sub(ended), took, slowest, quiet)
			mine.stop()
			if name == "SIGSTOP" {
				master.Continue()
			}
		})
	}
}

// The master of sentinels dies, or stops answering: its successor is found on connections that are there.
func testSentinelFailover(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*servers.Redis){"SIGKILL": (*servers.Redis).Kill, "SIGSTOP": (*servers.Redis).Stop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisSentinel(t, &servers.RedisSentinelOptions{
				Password: "s3cret", SentinelPassword: "s3ntinel", SentinelUsers: []string{"watch on >w4tch " + sentinelPrivilege},
			})
			s := openAsIs(t, withParams(t, c.URL(), "sentinel_user=watch&sentinel_password=w4tch"))
			master := c.Master()
			tr := drive(t, s, 4, nil)
			tr.awaitAll(time.Now())
			end(master)
			ended := time.Now()
			until(t, func() bool { now := c.Master(); return now != nil && now != master })
			promoted := time.Now()
			took := tr.awaitAll(promoted)
			if took > recovery {
				t.Errorf("works again %v after the promotion", took)
			}
			t.Logf("promoted after %v, works %v later", promoted.Sub(ended), took)
			tr.stop()
			if name == "SIGSTOP" {
				master.Continue()
			}
		})
	}
}

// The master becomes a replica, as for maintenance: connections that are there notice by its refusals.
func testSentinelSwitch(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisSentinel(t, nil)
	s := openAsIs(t, c.URL())
	tr := drive(t, s, 4, nil)
	tr.awaitAll(time.Now())
	master := c.Master()
	must(t, "SENTINEL FAILOVER", c.Sentinels()[0].Admin().Do(t.Context(), "sentinel", "failover", "main").Err())
	until(t, func() bool { now := c.Master(); return now != nil && now != master })
	promoted := time.Now()
	c.Await()
	if took := tr.awaitAll(promoted); took > patience {
		t.Errorf("works again %v after the switch", took)
	}
	tr.stop()
}
