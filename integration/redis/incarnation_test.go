package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// readSince reads a session from servers that have run since a name was given to them.
func readSince(t testing.TB, s store, name string, id session.ID) (session.Record, error) {
	t.Helper()
	return s.(session.Incarnated).ReadSince(t.Context(), name, id)
}

// unless returns err, unless it is an expected one.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// A server that restarts with what it had is not taken for the one before it. What it was not asked for it does not vouch
// for either.
func testIncarnation(t *testing.T) {
	t.Parallel()
	for _, server := range servers.All() {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, &servers.RedisOptions{Server: server, Users: []string{"web on >s3cret " + leastPrivilege}})
			s, other := open(t, r.UserURL("web", "s3cret", 0)), open(t, r.URL())
			id, rec := stored(t, s)
			expect := func(when, name string, id session.ID, want error) {
				t.Helper()
				got, err := readSince(t, other, name, id)
				if !errors.Is(err, want) || err == nil && string(got.Payload) != string(rec.Payload) {
					t.Fatalf("%s: got %q and error %v, want error %v", when, got.Payload, err, want)
				}
			}
			expect("before Begin", "one", id, session.ErrRestarted)
			must(t, "Begin", s.(session.Incarnated).Begin(t.Context(), "one"))
			expect("after Begin", "one", id, nil)
			expect("another name", "two", id, session.ErrRestarted)
			expect("no session", "one", newID(), session.ErrNotFound)
			often := func(when, name string) {
				t.Helper()
				commands(t, r)
				begin := time.Now()
				for range 1000 {
					expect(when, name, id, nil)
				}
				ran, most := commands(t, r), 200+2*int(time.Since(begin).Seconds())
				if ran["evalsha"] > most || ran["hmget"] < 1000 { // those in scripts count too
					t.Errorf("%s: 1,000 reads are %v, want %d EVALSHA at most", when, ran, most)
				}
			}
			often("often", "one")
			touched := rec
			touched.Seen = rec.Seen.Add(rec.TTL)
			must(t, "Touch", s.Touch(t.Context(), id, touched))
			if got, err := readSince(t, other, "one", id); err != nil || got.Seen.UnixMilli() != touched.Seen.UnixMilli() {
				t.Errorf("after a touch: seen %v, error %v", got.Seen, err)
			}
			must(t, "SAVE", r.Admin().Save(t.Context()).Err())
			r.Kill()
			r.Restart()
			eventually(t, "a read of the snapshot", func() error { _, err := other.Read(t.Context(), id); return err })
			eventually(t, "a read after a restart", func() error { // the first may find its connection dead
				_, err := readSince(t, other, "one", id)
				if err == nil {
					t.Fatal("the server is taken for the one before it")
				}
				return unless(err, session.ErrRestarted)
			})
			expect("after a restart", "one", id, session.ErrRestarted)
			eventually(t, "Begin", func() error { return s.(session.Incarnated).Begin(t.Context(), "two") })
			expect("after Begin again", "two", id, nil)
			often("often after Begin again", "two")
			expect("the first name", "one", id, session.ErrRestarted)
			expect("the second name", "two", id, nil)
			must(t, "SCRIPT FLUSH", r.Admin().ScriptFlush(t.Context()).Err()) // what a proxy looks like that changes servers
			eventually(t, "ReadSince", func() error {
				_, err := readSince(t, other, "two", id)
				if err == nil {
					return errors.New("the server is taken for one that knows the name")
				}
				return unless(err, session.ErrRestarted)
			})
		})
	}
}

// A replica that takes its master's place is not taken for it, and the other masters go on as before.
func testIncarnationCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Replicas: 1})
	s := open(t, c.URL())
	must(t, "Begin", s.(session.Incarnated).Begin(t.Context(), "one"))
	master := c.Nodes()[0] // it has the slots up to 5460
	var ids [40]session.ID
	for i := range ids {
		ids[i], _ = stored(t, s)
		if _, err := readSince(t, s, "one", ids[i]); err != nil {
			t.Fatalf("before the failover: %v", err)
		}
	}
	master.Kill()
	until(t, func() bool { owner := c.Owner(100); return owner != nil && owner != master })
	for _, id := range ids {
		mine := servers.Slot(key(id)) <= 5460
		eventually(t, fmt.Sprint("ReadSince, of the dead master: ", mine), func() error {
			switch _, err := readSince(t, s, "one", id); {
			case mine && errors.Is(err, session.ErrRestarted), !mine && err == nil:
				return nil
			case err == nil:
				t.Fatal("a replica is taken for its master")
				return nil
			default:
				return err
			}
		})
	}
}

// The master is switched on purpose.
func testIncarnationSentinel(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisSentinel(t, nil)
	s := open(t, c.URL())
	must(t, "Begin", s.(session.Incarnated).Begin(t.Context(), "one"))
	id, _ := stored(t, s)
	if _, err := readSince(t, s, "one", id); err != nil {
		t.Fatalf("before the failover: %v", err)
	}
	master := c.Master()
	master.Kill()
	until(t, func() bool { now := c.Master(); return now != nil && now != master })
	eventually(t, "ReadSince", func() error {
		switch _, err := readSince(t, s, "one", id); {
		case err == nil:
			t.Fatal("a replica is taken for its master")
			return nil
		case errors.Is(err, session.ErrRestarted):
			return nil
		default:
			return err
		}
	})
}

// While reads with one name go on, others begin with another one, and the Store is closed: nobody is told anything but that.
func testIncarnationChanges(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	id, _ := stored(t, s)
	for _, name := range []string{"one", "two"} {
		must(t, "Begin", s.(session.Incarnated).Begin(t.Context(), name))
	}
	read := func(name string, times int) error {
		for range times {
			if _, err := readSince(t, s, name, id); err != nil {
				return err
			}
		}
		return nil
	}
	must(t, "reads of one name", read("one", 300))
	errs := make(chan error)
	for i := range 8 {
		go func() { errs <- read([]string{"one", "two"}[i%2], 300) }()
	}
	for range 8 {
		must(t, "reads of two names", <-errs)
	}
	must(t, "reads of the other name", read("two", 300))
	for range 8 {
		go func() { errs <- read("two", 1<<30) }()
	}
	time.Sleep(50 * time.Millisecond)
	must(t, "Close", s.Close())
	for range 8 {
		if err := <-errs; !errors.Is(err, session.ErrClosed) {
			t.Errorf("a read that Close has met: %v", err)
		}
	}
	until(t, func() bool {
		return strings.Count(r.Admin().ClientList(t.Context()).Val(), "\n") == int(r.Admin().PoolStats().TotalConns)
	})
}
