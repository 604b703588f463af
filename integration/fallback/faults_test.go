package fallback_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// fault is something that happens to the site while visitors are there.
type fault struct {
	sticky bool // each visitor stays with one node: what the outage of both servers asks for
	apart  bool // nodes have to go on without knowing of each other: only what has ended in the end is promised
	lag    bool // not all nodes reach Redis, or it can still be read: who reads it may believe it for a second longer
	redis  *servers.RedisOptions
	before func(*site)
	begin  func(*site)
	lasts  time.Duration
	end    func(*site)
}

// faults are named after what an operator would say.
func faults() map[string]fault {
	const while = 3 * time.Second
	kill := func(s *site) { s.redis.Kill() }
	restart := func(s *site) { s.redis.Restart() }
	return map[string]fault{
		"Redis is killed and comes back empty": {begin: kill, lasts: while, end: restart},
		"Redis is restarted at once":           {begin: func(s *site) { kill(s); restart(s) }},
		"Redis comes back with an older snapshot": {
			before: func(s *site) { s.must(s.redis.Admin().Save(s.t.Context()).Err()) },
			begin:  kill, lasts: while, end: restart,
		},
		"Redis is set back to an older snapshot at once": {
			before: func(s *site) { s.must(s.redis.Admin().Save(s.t.Context()).Err()) },
			begin:  func(s *site) { kill(s); restart(s) },
		},
		"Redis stands still": {begin: func(s *site) { s.redis.Stop() }, lasts: while, end: func(s *site) { s.redis.Continue() }},
		"Redis loses answers": {
			lag: true, begin: func(s *site) { s.loseShare(50) }, lasts: while, end: func(s *site) { s.loseShare(0) },
		},
		"one node does not reach Redis": {
			lag: true, begin: func(s *site) { s.nodes[0].redis.Redirect("127.0.0.1:1"); s.nodes[0].redis.LoseShare(1000) }, lasts: while,
			end: func(s *site) { s.nodes[0].redis.Redirect(s.redis.Addr()); s.nodes[0].redis.LoseShare(0) },
		},
		"Redis forgets its scripts": { // which each node takes for a restart when it next runs one
			lag: true, begin: func(s *site) { s.must(s.redis.Admin().ScriptFlush(s.t.Context()).Err()) }, lasts: while,
		},
		"Redis takes no writes": {
			lag: true, begin: func(s *site) { s.must(s.redis.Admin().ConfigSet(s.t.Context(), "maxmemory", "1").Err()) }, lasts: while,
			end: func(s *site) { s.must(s.redis.Admin().ConfigSet(s.t.Context(), "maxmemory", "0").Err()) },
		},
		"MariaDB is killed": {begin: func(s *site) { s.maria.Kill() }, lasts: while, end: func(s *site) { s.maria.Restart() }},
		"MariaDB stands still": {
			begin: func(s *site) { s.maria.Stop() }, lasts: while, end: func(s *site) { s.maria.Continue() },
		},
		"one node does not reach MariaDB": {
			begin: func(s *site) { s.nodes[1].maria.Redirect("127.0.0.1:1"); s.nodes[1].maria.LoseShare(1000) }, lasts: while,
			end: func(s *site) { s.nodes[1].maria.Redirect(s.maria.Addr()); s.nodes[1].maria.LoseShare(0) },
		},
		"one node does not reach Redis, and another one not MariaDB": {
			sticky: true, lag: true,
			begin: func(s *site) {
				s.nodes[0].redis.Redirect("127.0.0.1:1")
				s.nodes[0].redis.LoseShare(1000)
				s.nodes[1].maria.Redirect("127.0.0.1:1")
				s.nodes[1].maria.LoseShare(1000)
			},
			lasts: while,
			end: func(s *site) {
				s.nodes[0].redis.Redirect(s.redis.Addr())
				s.nodes[0].redis.LoseShare(0)
				s.nodes[1].maria.Redirect(s.maria.Addr())
				s.nodes[1].maria.LoseShare(0)
			},
		},
		"both are killed, and Redis is back first": {
			sticky: true, begin: func(s *site) { kill(s); s.maria.Kill() }, lasts: while,
			end: func(s *site) { restart(s); time.Sleep(while); s.maria.Restart() },
		},
		"both are killed, and MariaDB is back first": {
			sticky: true, begin: func(s *site) { s.maria.Kill(); kill(s) }, lasts: while,
			end: func(s *site) { s.maria.Restart(); time.Sleep(while); restart(s) },
		},
		"both are killed, and visitors change nodes": {
			apart: true, begin: func(s *site) { s.maria.Kill(); kill(s) }, lasts: while,
			end: func(s *site) { s.maria.Restart(); restart(s) },
		},
	}
}

func (s *site) loseShare(thousandths int) {
	for _, n := range s.nodes {
		n.redis.LoseShare(thousandths)
	}
}

// Whatever happens to the servers, no visitor loses a change that was acknowledged, is logged out, or is served with a session
// that they have ended; and in the end all nodes agree.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := faults()
	for name, f := range redisFaults() {
		f.lag = true // some of them reach some nodes only
		all[name] = f
	}
	maps.Copy(all, mariaFaults())
	for name, f := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lag time.Duration
			if f.lag {
				lag = 2 * time.Second
			}
			for tries := 3; ; tries-- {
				s := newSite(t, f.redis, nil)
				c := s.visit(10, f.sticky, 60*time.Millisecond, lag, func(c *crowd) { c.apart = f.apart })
				silence := s.listen()
				s.suffer(f, c, time.Second)
				if silent := silence(); tries > 1 && c.excused(name, silent) {
					continue
				}
				c.fail()
				return
			}
		})
	}
}

// suffer lets a fault happen among visitors, who are there for some time before and after, and look once more in the end.
func (s *site) suffer(f fault, c *crowd, calm time.Duration) {
	time.Sleep(calm)
	s.strike(f, c)
	c.enter("after")
	back := s.settle()
	c.enter("later")
	time.Sleep(calm)
	c.leave()
	s.t.Logf("all nodes read from Redis again after %v", back.Round(10*time.Millisecond))
	s.compare(c)
	c.report()
}

// strike makes a fault begin and end.
func (s *site) strike(f fault, c *crowd) {
	if f.before != nil {
		f.before(s)
	}
	c.enter("first") // the beginning, in which it has to be noticed
	f.begin(s)
	time.Sleep(min(f.lasts, time.Second))
	c.enter("during")
	time.Sleep(max(0, f.lasts-time.Second))
	if f.end != nil {
		f.end(s)
	}
}

// agree fails for what the visitors have found, and unless all nodes serve the same, and what was acknowledged is in it.
func (s *site) agree(c *crowd) {
	s.compare(c)
	c.fail()
}

// compare lets visitors who have left look once more, on each node.
func (s *site) compare(c *crowd) {
	c.lag = 0
	for _, v := range c.visitors {
		if v.token == "" {
			continue // left while logging in
		}
		for i, n := range s.nodes {
			status, p := n.answer("/show", v.token)
			if status != http.StatusOK {
				s.t.Fatalf("node %d, in the end: status %d", i, status)
			}
			v.compare(p, v.crowd.known(v.added))
			for _, ended := range v.crowd.known(v.ended) {
				if status, p := n.answer("/show", ended.what); status != http.StatusOK || p.User != "" {
					c.undone.Add(1)
					c.find("node %d, in the end: visitor %s has logged out, and an old token gives status %d, user %q", i, v.name, status, p.User)
				}
			}
		}
	}
}
