package fallback_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

// While all is well a request that only reads costs MariaDB nothing, and one that changes its session a statement. The latencies
// beside those of Redis alone are logged.
func TestCost(t *testing.T) {
	t.Parallel()
	rounds := 300
	if soak() > 0 {
		rounds = 5000
	}
	s := newSite(t, nil, nil)
	fast, err := goredis.Open(s.redis.URL())
	s.must(err)
	plain := &node{}
	plain.manager, err = session.New(fast, session.Options{Header: header, Observer: session.Silent{}})
	s.must(err)
	plain.handler = plain.manager.Middleware(routes())
	t.Cleanup(func() { _ = plain.manager.Close(); _ = fast.Close() })
	pair := &node{name: "direct", dir: t.TempDir()} // without proxies, as the other one
	s.must(pair.start(s.redis.URL(), s.maria.URL(), session.LockOptions{}, t.Output()))
	t.Cleanup(func() { pair.shut(t) })
	tokens := make(map[*node]string)
	for _, n := range []*node{plain, pair} {
		insist(t, "login", func() bool { _, _, tokens[n], _ = n.get("/login", ""); return tokens[n] != "" })
	}
	for !pair.store.Status().Believed {
		time.Sleep(10 * time.Millisecond)
	}
	nothing := func(int) func(*session.Session) error { return func(*session.Session) error { return nil } }
	change := func(i int) func(*session.Session) error {
		return func(x *session.Session) error { return user.Set(x, fmt.Sprint("somebody", i)) }
	}
	for _, c := range []struct {
		name string
		mode session.Mode
		do   func(int) func(*session.Session) error
		most float64 // statements of a request
	}{{"read-only", session.ReadOnly, nothing, 0.5}, {"changed", session.Optimistic, change, 1.5}} {
		took := map[*node][]time.Duration{}
		for i := range rounds {
			for _, n := range []*node{plain, pair} {
				begin := time.Now()
				n.persist(t, tokens[n], c.mode, c.do(i))
				took[n] = append(took[n], time.Since(begin))
			}
		}
		slices.Sort(took[plain])
		slices.Sort(took[pair])
		p50, p99 := share(took[plain], .5), share(took[plain], .99)
		t.Logf("%s: p50 %v, with Redis alone %v (%.2f x); p99 %v, alone %v", c.name, share(took[pair], .5), p50,
			float64(share(took[pair], .5))/float64(p50), share(took[pair], .99), p99)
		for name, n := range map[string]*node{"Redis alone": plain, "the pair": pair} {
			redis, maria := s.count(rounds, func(i int) { n.persist(t, tokens[n], c.mode, c.do(-1-i)) })
			t.Logf("%s, %s: %s of Redis and %.2f statements of MariaDB for each request", c.name, name, redis, maria)
			if n == pair && maria > c.most {
				t.Errorf("%s: %.2f statements of MariaDB for each request, want %.1f at most", c.name, maria, c.most)
			}
		}
	}
}

// count returns what requests cost each: commands of Redis, with those that scripts run, and statements of MariaDB, without the
// nodes' reading of their state.
func (s *site) count(requests int, do func(i int)) (redis string, maria float64) {
	s.t.Helper()
	before, statements, begin := s.commands(), s.statements("Questions"), time.Now()
	for i := range requests {
		do(i)
	}
	after, took := s.commands(), time.Since(begin)
	ofState := took.Seconds() * 4 * float64(len(s.nodes)+1)
	asked := float64(s.statements("Questions")-statements) - 1 - ofState
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if n := after[name] - before[name]; n*10 > requests {
			parts = append(parts, fmt.Sprintf("%.2f %s", float64(n)/float64(requests), name))
		}
	}
	return strings.Join(parts, ", "), max(0, asked/float64(requests))
}

// commands is how many commands of each kind Redis has run.
func (s *site) commands() map[string]int {
	s.t.Helper()
	text, err := s.redis.Admin().Info(s.t.Context(), "commandstats").Result()
	s.must(err)
	all := make(map[string]int)
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if ok {
			calls, _, _ := strings.Cut(rest, ",")
			all[name], err = strconv.Atoi(calls)
			s.must(err)
		}
	}
	return all
}

// statements is a counter of MariaDB.
func (s *site) statements(name string) (n int64) {
	s.t.Helper()
	s.must(s.maria.Admin().QueryRowContext(s.t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &n))
	return n
}
