package fallback_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// load is a fault of TestLoad.
type load struct {
	mode  fallback.Mode
	redis *servers.RedisOptions
	name  string // of the fault
	lossy bool   // Standby does not promise that nothing is lost
}

// loads are the faults of TestLoad, in the order of its tables.
func loads() []load {
	durable := &servers.RedisOptions{Config: []string{"appendonly yes", "appendfsync always"}}
	return []load{
		{name: "Redis is killed and comes back empty"},
		{name: "Redis stands still"},
		{name: "Redis is restarted at once"},
		{name: "Redis comes back with an older snapshot"},
		{name: "MariaDB is killed"},
		{name: "both are killed, and Redis is back first"},
		{mode: fallback.Standby, redis: durable, name: "Redis is killed and comes back"},
		{mode: fallback.Standby, redis: durable, name: "Redis stands still"},
		{mode: fallback.Standby, redis: durable, name: "Redis is restarted at once"},
		{mode: fallback.Standby, name: "Redis comes back with an older snapshot", lossy: true},
		{mode: fallback.Standby, name: "Redis is killed and comes back empty", lossy: true},
		{mode: fallback.Standby, name: "MariaDB is killed"},
		{mode: fallback.Standby, redis: durable, name: "both are killed, and Redis is back first"},
	}
}

// fault returns what happens. In Standby each visitor stays with one node.
func (l load) fault() fault {
	f, ok := standbyFaults()[l.name]
	if !ok || l.mode == fallback.Mirrored {
		f = faults()[l.name]
	}
	f.sticky = f.sticky || l.mode == fallback.Standby
	return f
}

// rate is how many requests a second the visitors of TestLoad send in make soak: RATE, or 400, which two cores bear that have
// the three nodes and both servers too. What the machine does not bear looks like the outage of everything.
func rate() int {
	if n, err := strconv.Atoi(os.Getenv("RATE")); err == nil && n > 0 {
		return n
	}
	return 400
}

// With many visitors nothing is lost either. make soak has 200 of them and all faults, and prints a table; make test has few, and
// one fault.
func TestLoad(t *testing.T) {
	t.Parallel()
	visitors, pause, lasts, all := 20, 100*time.Millisecond, 2*time.Second, loads()[:1]
	if soak() > 0 {
		visitors, lasts, all = 200, 10*time.Second, loads()
		pause = 2 * time.Duration(visitors) * time.Second / time.Duration(rate()) // of each of two tabs
	}
	lines := []string{"mode | fault | changes acknowledged | lost | logouts | undone | visitors logged out | refused | p50, p99 in the outage | longest call | 95 % of reads on Redis | all at rest"}
	t.Run("faults", func(t *testing.T) { // one after the other, each with the machine for itself
		for _, l := range all {
			mode := map[fallback.Mode]string{fallback.Mirrored: "Mirrored", fallback.Standby: "Standby"}[l.mode]
			t.Run(mode+", "+l.name, func(t *testing.T) {
				f := l.fault()
				if f.lasts > 0 {
					f.lasts = lasts
				}
				for tries := 3; ; tries-- {
					s := newServers(t, l.redis, nil)
					s.open(l.mode)
					s.settle()
					c := s.visit(visitors, f.sticky, pause, 0, func(c *crowd) { c.lossy = l.lossy })
					silence := s.listen()
					line := mode + " | " + s.bear(l.name, f, c)
					silent := silence()
					if tries > 1 && c.excused(l.name, silent) {
						continue
					}
					if c.fail(); len(c.findings) > 0 { // here too, since the servers' output comes between
						line += fmt.Sprintf(" | %s; MariaDB stored nothing for %v", c.findings[0], silent)
					}
					lines = append(lines, line)
					return
				}
			})
		}
	})
	for _, l := range lines {
		t.Log(l)
	}
}

// bear lets a fault happen among many visitors, and returns a line of the table.
func (s *site) bear(name string, f fault, c *crowd) string {
	time.Sleep(while(time.Second))
	s.strike(f, c)
	c.enter("after")
	begin := time.Now()
	onRedis := s.onRedis(c)
	s.settle()
	atRest := time.Since(begin)
	time.Sleep(time.Second)
	c.leave()
	s.compare(c)
	c.report()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	refused := 0
	for phase, took := range c.took {
		all = append(all, took...)
		refused += c.refused[phase]
	}
	during := c.took["during"]
	if len(during) == 0 {
		during = c.took["after"]
	}
	slices.Sort(during)
	return fmt.Sprintf("%s | %d | %d | %d | %d | %d | %d | %v, %v | %v | %v | %v", name, c.acked, c.lost.Load(), c.logouts, c.undone.Load(),
		c.out.Load(), refused, share(during, .5), share(during, .99), slices.Max(all).Round(time.Millisecond),
		onRedis.Round(100*time.Millisecond), atRest.Round(100*time.Millisecond))
}

// share returns what a share of sorted times does not exceed.
func share(sorted []time.Duration, of float64) time.Duration {
	return sorted[int(of*float64(len(sorted)-1))].Round(time.Microsecond)
}

// onRedis waits until MariaDB is asked for no more than one in twenty sessions that are read and alive, and returns how long that
// took.
func (s *site) onRedis(c *crowd) time.Duration {
	s.t.Helper()
	const window = 250 * time.Millisecond
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		reads, late, selects, at := c.requests(), c.late.Load(), s.selects(), time.Now()
		time.Sleep(window)
		late = c.late.Load() - late
		reads, selects = c.requests()-reads-late, s.selects()-selects-late
		ofState := int64(len(s.nodes)) * int64(time.Since(at)/window+1) // each node reads it four times a second
		if believed := s.believed(); believed && 20*(selects-ofState) <= reads {
			return time.Since(begin)
		}
	}
	s.t.Error("the nodes go on reading from MariaDB")
	return time.Since(begin)
}

// believed reports whether all nodes read from Redis.
func (s *site) believed() bool {
	return !slices.ContainsFunc(s.nodes[:], func(n *node) bool { return !n.store.Status().Believed })
}

// requests is how many requests the crowd has sent.
func (c *crowd) requests() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, took := range c.took {
		n += int64(len(took))
	}
	return n
}

// selects is how many of MariaDB's statements have read something.
func (s *site) selects() int64 { return s.statements("Com_select") }
