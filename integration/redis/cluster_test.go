package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// clusterClient makes a client of a cluster for the time of the test.
func clusterClient(t testing.TB, c *servers.RedisCluster) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(c.Options())
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// A lock is handed over between two nodes that each have a client of the cluster, by messages that the servers pass on to
// each other, whichever of them has the session.
func testLockCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	var stores []store
	for range 2 {
		stores = append(stores, open(t, c.URL()))
	}
	listening(t, stores...)
	for _, node := range c.Nodes() {
		node.Admin().ConfigResetStat(t.Context())
	}
	const sessions = 20
	for i := range sessions {
		holding, waiting := stores[i%2], stores[1-i%2]
		id, rec := stored(t, holding)
		first, second := request("first", 0), request("second", time.Minute)
		hold(t, holding, id, first)
		lock := queue(t, waiting, id, second)
		must(t, "WriteRelease", holding.WriteRelease(t.Context(), id, record(session.Version{2}, "two"), rec.Version, first.Token))
		woken(t, lock)
		if lock := hold(t, waiting, id, second); lock.Unclean || string(lock.Record.Payload) != "two" {
			t.Errorf("got %+v", lock)
		}
		release(t, waiting, id, second)
	}
	published := 0
	for i, node := range c.Nodes() {
		n := commands(t, node)["publish"]
		if n == 0 {
			t.Errorf("node %d had no session of %d", i, sessions)
		}
		published += n
	}
	if published != sessions {
		t.Errorf("%d messages for %d sessions", published, sessions)
	}
	count(t, stores, func() {})
}

// In a cluster PUBLISH does not tell whether anybody listens, as only the servers that are asked know: nobody is taken for
// dead who listens elsewhere, and who is dead holds up the others for no longer than the time to answer.
func testDeadWaiterCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	client := clusterClient(t, c)
	living, dying := open(t, c.URL()), open(t, c.URL())
	listening(t, living, dying)
	id, _ := stored(t, living)
	holder, dead, next := request("holder", 0), request("dead", time.Minute), request("next", time.Minute)
	hold(t, living, id, holder)
	queue(t, dying, id, dead)
	must(t, "Close", dying.Close())
	queue(t, living, id, next)
	release(t, living, id, holder)
	expectHolder(t, client, id, dead)
	if lock := mustAwait(t, living, id, next); lock.Unclean {
		t.Errorf("got %+v, but the dead one never knew that it had the lock", lock)
	}
}

// Ping asks all masters: one that refuses writes is found, whichever it is.
func testPingCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	s := open(t, c.URL())
	must(t, "Ping", s.Ping(t.Context()))
	for i, node := range c.Nodes() {
		must(t, "CONFIG SET", node.Admin().ConfigSet(t.Context(), "maxmemory", "1").Err())
		for range 5 {
			if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) || !redis.HasErrorPrefix(err, "OOM") {
				t.Errorf("node %d is full: got error %v", i, err)
			}
		}
		must(t, "CONFIG SET", node.Admin().ConfigSet(t.Context(), "maxmemory", "0").Err())
		must(t, "Ping", s.Ping(t.Context()))
	}
}

// A call costs one command in a cluster too, wherever the session is: the client knows where that is.
func testCommandsCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	s := open(t, c.URL())
	const sessions = 30
	ids, recs := make([]session.ID, sessions), make([]session.Record, sessions)
	for i := range ids {
		ids[i], recs[i] = stored(t, s)
		must(t, "change", s.Write(t.Context(), ids[i], record(session.Version{2}, "two"), recs[i].Version))
	}
	all := func() (n map[string]int) {
		n = make(map[string]int)
		for _, node := range c.Nodes() {
			for name, calls := range commands(t, node) {
				n[name] += calls
			}
		}
		return n
	}
	all()
	for _, test := range []struct {
		name, command string
		call          func(id session.ID) error
	}{
		{"read", "hmget", func(id session.ID) error { _, err := s.Read(t.Context(), id); return err }},
		{"change", "evalsha", func(id session.ID) error {
			return s.Write(t.Context(), id, record(session.Version{3}, "three"), session.Version{2})
		}},
		{"destroy", "del", func(id session.ID) error { return s.Destroy(t.Context(), id) }},
	} {
		for _, id := range ids {
			must(t, test.name, test.call(id))
		}
		got := all()
		if got[test.command] != sessions || got["eval"] > 0 || got["asking"] > 0 {
			t.Errorf("%s: %d sessions took %v", test.name, sessions, got)
		}
	}
}
