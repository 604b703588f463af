package fallback_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// standbyFaults are what Standby stands while each visitor stays with one node. Redis keeps all that it has acknowledged.
func standbyFaults() map[string]fault {
	all := faults()
	chosen := make(map[string]fault)
	for name, standby := range map[string]string{
		"Redis is killed and comes back empty": "Redis is killed and comes back",
		"Redis is restarted at once":           "Redis is restarted at once",
		"Redis stands still":                   "Redis stands still",
		"one node does not reach Redis":        "one node does not reach Redis",
		"Redis forgets its scripts":            "Redis forgets its scripts",
		"Redis takes no writes":                "Redis takes no writes",
		"MariaDB is killed":                    "MariaDB is killed",
		"MariaDB stands still":                 "MariaDB stands still",
		"one node does not reach MariaDB":      "one node does not reach MariaDB",
	} {
		f := all[name]
		f.sticky = true
		chosen[standby] = f
	}
	return chosen
}

// Nobody loses a change that was acknowledged, is logged out, or is served with a session that they have ended.
func TestStandby(t *testing.T) {
	t.Parallel()
	for name, f := range standbyFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteIn(t, fallback.Standby, &servers.RedisOptions{Config: []string{"appendonly yes", "appendfsync always"}})
			c := s.visit(10, f.sticky, 60*time.Millisecond, 0)
			s.suffer(f, c, time.Second)
			c.fail()
		})
	}
}

// A logout is not undone by a Redis that comes back with an older snapshot, in which the session is still there; at no time, on
// no node. What was in the snapshot and has not ended is served.
func TestStandbyOldSnapshot(t *testing.T) { // not parallel: a busy machine lets logins time out
	s := newSiteIn(t, fallback.Standby, nil)
	var tokens []string
	for range 100 {
		status, _, token, _ := s.nodes[0].get("/login", "")
		if status != http.StatusOK {
			t.Fatalf("login: status %d", status)
		}
		tokens = append(tokens, token)
	}
	over, alive := tokens[:50], tokens[50:]
	s.must(s.redis.Admin().Save(t.Context()).Err())
	for i, token := range over {
		if status, _ := s.nodes[i%3].answer("/logout", token); status != http.StatusOK {
			t.Fatalf("logout: status %d", status)
		}
	}
	s.redis.Kill()
	s.redis.Restart()
	look := func(when string) {
		for i := range 300 {
			if status, p, _, _ := s.nodes[i%3].get("/show", over[i%50]); status == http.StatusOK && p.User != "" {
				t.Fatalf("%s, node %d serves somebody who has logged out", when, i%3)
			}
		}
	}
	for range 20 {
		look("at once")
		time.Sleep(50 * time.Millisecond)
	}
	s.settle()
	look("in the end")
	for i, token := range alive {
		if status, p := s.nodes[i%3].answer("/show", token); status != http.StatusOK || p.User == "" {
			t.Errorf("somebody who was in the snapshot gets status %d, user %q", status, p.User)
		}
	}
}

// While all is well MariaDB is asked for nothing but the state, and told of nothing but ends.
func TestStandbyCost(t *testing.T) { // not parallel: it counts, and an overloaded Redis would count as away
	s := newSiteIn(t, fallback.Standby, nil)
	n := s.nodes[0]
	_, _, token, _ := n.get("/login", "")
	before := s.written()
	const rounds = 200
	for i := range rounds {
		if status, _, _, _ := n.get(fmt.Sprint("/add?word=", i), token); status != http.StatusOK {
			t.Fatalf("add: status %d", status)
		}
	}
	if got := s.written() - before; got != 0 {
		t.Errorf("%d changes wrote %d rows of MariaDB, want none", rounds, got)
	}
	if status, _, _, _ := n.get("/logout", token); status != http.StatusOK {
		t.Fatalf("logout: status %d", status)
	}
	if got := s.written() - before; got != 1 {
		t.Errorf("a logout wrote %d rows of MariaDB, want its tombstone", got)
	}
}

// written is how many rows MariaDB has written.
func (s *site) written() (rows int) {
	var name string
	s.must(s.maria.Admin().QueryRowContext(s.t.Context(), "SHOW GLOBAL STATUS LIKE 'Handler_write'").Scan(&name, &rows))
	return rows
}
