package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

const (
	// replicaLag is how old what a replica says may be: what the documentation says.
	replicaLag = 2 * time.Second
	// replicaPrivilege is what a client needs to read from the replicas of a cluster, and waitPrivilege to wait for any.
	replicaPrivilege = " +readonly"
	waitPrivilege    = " +wait"
)

// pair starts a master and a replica, and returns a URL of the master that names the replica.
func pair(t *testing.T) (master, replica *servers.Redis, rawURL string) {
	t.Helper()
	s := servers.StartRedisSentinel(t, nil)
	master, replica = s.Master(), s.Replicas()[0]
	for _, sentinel := range s.Sentinels() {
		sentinel.Kill() // nobody is to be promoted
	}
	return master, replica, withParams(t, master.URL(), "replicas="+replica.Addr())
}

// The suite with reads from replicas, and with all that is to wait for one.
func testSuiteReplicas(t *testing.T) {
	rules := leastPrivilege + lockPrivilege + waitPrivilege
	s := servers.StartRedisSentinel(t, &servers.RedisSentinelOptions{
		Mutual: true, Password: "4dmin", Users: []string{"web on >s3cret " + rules}, SentinelPassword: "s3ntinel",
		SentinelUsers: []string{"watch on >w4tch " + sentinelPrivilege + " +sentinel|replicas"},
	})
	c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{
		Replicas: 1, Users: []string{"web on >s3cret " + rules + clusterPrivilege + replicaPrivilege},
	})
	client := clusterClient(t, c)
	const params = "&wait=1&wait_timeout=4s&"
	for name, rawURL := range map[string]string{
		"single":   withParams(t, s.Master().UserURL("web", "s3cret", 0), patient+params+"replicas="+s.Replicas()[0].Addr()),
		"sentinel": withParams(t, s.UserURL("web", "s3cret", 0), patient+params+"replicas=true&sentinel_user=watch&sentinel_password=w4tch"),
		"cluster":  withParams(t, c.UserURL("web", "s3cret"), patient+params+"replicas=true"),
	} {
		h := harness(t, s.Master(), rawURL, defaultPrefix, 0, defaultMaxBytes)
		h.ReplicaReader = true
		if name == "cluster" {
			h.Garble = func(ctx context.Context, id session.ID) error {
				return client.HSet(ctx, key(id), "r", "not a record").Err()
			}
		}
		t.Run(name, func(t *testing.T) { sessiontest.Run(t, h) })
	}
	expectAllExpire(t, s.Master(), defaultPrefix, 0)
}

// readReplica reads until a replica has the version of want.
func readReplica(t *testing.T, s store, id session.ID, want session.Record) {
	t.Helper()
	eventually(t, "ReadReplica", func() error {
		rec, err := s.(session.ReplicaReader).ReadReplica(t.Context(), id)
		if err == nil && rec.Version != want.Version {
			err = errors.New("it has an older version")
		}
		return err
	})
}

// A session that is only looked at costs the master nothing, apart from the proof of each second.
func testReplicaSparesMaster(t *testing.T) {
	t.Parallel()
	master, replica, rawURL := pair(t)
	s := open(t, rawURL)
	id, rec := stored(t, s)
	readReplica(t, s, id, rec)
	commands(t, master)
	commands(t, replica)
	const reads = 500
	for range reads {
		readReplica(t, s, id, rec)
	}
	if got := commands(t, master)["hmget"]; got > reads/10 { // those of the scripts that prove
		t.Errorf("the master has read %d times", got)
	}
	if got := commands(t, replica)["hmget"]; got < reads {
		t.Errorf("the replica has read %d times, want %d at least", got, reads)
	}
}

// A replica that has lost its master answers for ever. It is believed for two seconds.
func testReplicaCutOff(t *testing.T) {
	t.Parallel()
	_, replica, rawURL := pair(t)
	s := open(t, rawURL)
	id, first := stored(t, s)
	readReplica(t, s, id, first)
	must(t, "REPLICAOF", replica.Admin().Do(t.Context(), "replicaof", "127.0.0.1", "1").Err()) // where nobody listens
	second := record(session.Version{2}, "second")
	must(t, "Write", s.Write(t.Context(), id, second, first.Version))
	for changed := time.Now(); time.Since(changed) < 2*replicaLag; time.Sleep(time.Millisecond) {
		begin := time.Since(changed)
		rec, err := s.(session.ReplicaReader).ReadReplica(t.Context(), id)
		switch {
		case err != nil && !errors.Is(err, session.ErrUnavailable):
			t.Fatalf("got error %v", err)
		case err == nil && rec.Version == first.Version && begin > replicaLag:
			t.Fatalf("the replica is believed %v after it was cut off", begin)
		}
	}
}

// A replica that stalls, or dies, costs nobody a session or much time, and is read again when it is back.
func testReplicaStalls(t *testing.T) {
	t.Parallel()
	_, replica, rawURL := pair(t)
	s := openAsIs(t, rawURL)
	id, rec := stored(t, s)
	readReplica(t, s, id, rec)
	for name, fault := range map[string]struct{ begin, end func() }{
		"stopped": {replica.Stop, replica.Continue},
		"killed":  {replica.Kill, replica.Restart},
	} {
		fault.begin()
		var slow int
		for begin := time.Now(); time.Since(begin) < 2*replicaLag; time.Sleep(time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			asked := time.Now()
			_, err := s.(session.ReplicaReader).ReadReplica(ctx, id)
			if took := time.Since(asked); err != nil && took > 100*time.Millisecond {
				slow++
			}
			if err != nil && !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s: got error %v", name, err)
			}
			if ctx.Err() != nil {
				t.Errorf("%s: no time is left for the master", name)
			}
			cancel()
		}
		if slow > 3 { // the first one, and whoever else was there before it gave up
			t.Errorf("%s: %d calls have waited for the replica", name, slow)
		}
		fault.end()
		readReplica(t, s, id, rec)
	}
}

// What creates or ends a session waits for a replica if it is to, and nothing else does. A repeat is no less strict, though
// there is nothing left to do.
func testWait(t *testing.T) {
	t.Parallel()
	master, replica, rawURL := pair(t)
	s := open(t, withParams(t, rawURL, "wait=1"))
	id, rec := stored(t, s)
	held, prev := stored(t, s)
	ask := request("holder", 0)
	hold(t, s, held, ask)
	commands(t, master)
	next := record(session.Version{2}, "changed")
	must(t, "Write", s.Write(t.Context(), id, next, rec.Version))
	if got := commands(t, master)["wait"]; got != 0 {
		t.Errorf("a change has waited %d times", got)
	}
	ended := record(session.Version{3}, "")
	ended.Successor = newID()
	replica.Stop()
	created := newID()
	for range 2 {
		expectWaited(t, "creation", s.Write(t.Context(), created, rec, session.Version{}))
		expectWaited(t, "renewal", s.Write(t.Context(), id, ended, next.Version))
		expectWaited(t, "release", s.WriteRelease(t.Context(), held, ended, prev.Version, ask.Token))
	}
	for range 2 {
		expectWaited(t, "Destroy", s.Destroy(t.Context(), id))
	}
	replica.Continue()
	must(t, "creation", s.Write(t.Context(), created, rec, session.Version{}))
	must(t, "Destroy", s.Destroy(t.Context(), id))
	eventually(t, "the replica forgets", func() error {
		if n := replica.Admin().Exists(t.Context(), key(id)).Val(); n != 0 {
			return errors.New("it has the session")
		}
		return nil
	})
}

func expectWaited(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "0 replicas have the change, not 1") {
		t.Errorf("%s: got error %v, want %v for lack of replicas", what, err, session.ErrUnavailable)
	}
}

// Waiting follows a session while a cluster moves its slot.
func testWaitHalfMigrated(t *testing.T) {
	c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Replicas: 1})
	s := open(t, withParams(t, c.URL(), "wait=1&wait_timeout=2s"))
	id, rec := stored(t, s)
	slot := servers.Slot(key(id))
	masters := c.Masters()
	from := c.Owner(slot)
	to := masters[0]
	if to == from {
		to = masters[1]
	}
	c.BeginMigration(slot, from, to)
	moved := inSlot(slot)
	must(t, "creation on the node that the slot moves to", s.Write(t.Context(), moved, rec, session.Version{}))
	must(t, "Destroy of what has not moved", s.Destroy(t.Context(), id))
	must(t, "Destroy of what is there", s.Destroy(t.Context(), moved))
	must(t, "Destroy of nothing", s.Destroy(t.Context(), moved))
	c.FinishMigration(slot, from, to)
	must(t, "creation after the move", s.Write(t.Context(), inSlot(slot), rec, session.Version{}))
}

// inSlot draws an id whose key is in a slot.
func inSlot(slot int) session.ID {
	for {
		if id := newID(); servers.Slot(key(id)) == slot {
			return id
		}
	}
}
