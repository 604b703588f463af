package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A reply is lost after the script ran. The same call again succeeds, and gives the same answer.
func TestLockLostReply(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	for name, how := range map[string]servers.Loss{"silence": servers.Silence, "FIN": servers.FIN, "RST": servers.RST} {
		proxy := servers.StartProxy(t, r.Addr())
		s := deaf(t, proxy.Addr())
		must(t, "Ping", s.Ping(t.Context()))
		ctx := t.Context()
		id, rec := stored(t, s)
		dead, ask, waiter := request("dead", 0), request("mine", time.Minute), request("waiter", time.Minute)
		dead.Lease = shortLease
		hold(t, s, id, dead)
		time.Sleep(brokenAfter)
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"acquire", func() error {
				lock, err := s.Acquire(ctx, id, ask)
				if err == nil && (!lock.Held || !lock.Unclean || lock.Holder.Path != "/dead") {
					t.Errorf("%s, acquire: got %+v, want an unclean lock of /dead", name, lock)
				}
				return err
			}},
			{"wait", func() error {
				lock, err := s.Acquire(ctx, id, waiter)
				if err == nil && (lock.Held || lock.Holder.Path != "/mine") {
					t.Errorf("%s, wait: got %+v", name, lock)
				}
				return err
			}},
			{"extend", func() error { return s.Extend(ctx, id, ask.Token, time.Hour) }},
			{"give up", func() error { return s.Release(ctx, id, waiter.Token) }},
			{"write and release", func() error {
				return s.WriteRelease(ctx, id, record(session.Version{2}, "two"), rec.Version, ask.Token)
			}},
			{"release", func() error { return s.Release(ctx, id, ask.Token) }},
		} {
			proxy.Lose(how)
			if err := c.call(); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s, %s: got error %v, want %v", name, c.name, err, session.ErrUnavailable)
			}
			if err := c.call(); err != nil {
				t.Errorf("%s, %s again: %v", name, c.name, err)
			}
		}
		if proxy.Lost() != 6 {
			t.Errorf("%s: %d replies were lost, want 6", name, proxy.Lost())
		}
		expectPayload(t, s, id, "two")
		expectFields(t, r, name, id, "r")
	}
}

// deaf opens a Store that does not subscribe: the reply to that could be the one that is lost.
func deaf(t *testing.T, addr string) store {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1, DisableIdentity: true,
		PoolSize: 1, ReadTimeout: 500 * time.Millisecond, DialTimeout: patience, PoolTimeout: patience,
	})
	t.Cleanup(func() { _ = client.Close() })
	s, err := goredis.New(struct{ goredis.Client }{client}, nil)
	must(t, "New", err)
	return s
}

// The lock is released by a WriteRelease of what was stored before by a Write, and what was seen since is kept.
func testWriteReleaseOfStored(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx := t.Context()
	id, rec := stored(t, s)
	holder, waiter := request("holder", 0), request("waiter", time.Minute)
	hold(t, s, id, holder)
	queue(t, s, id, waiter)
	next := record(session.Version{2}, "two")
	must(t, "Write", s.Write(ctx, id, next, rec.Version))
	next.Seen = next.Seen.Add(time.Minute)
	must(t, "Touch", s.Touch(ctx, id, next))
	for range 2 { // once as the holder, once without the lock
		must(t, "WriteRelease", s.WriteRelease(ctx, id, next, rec.Version, holder.Token))
		expectHolder(t, r.Admin(), id, waiter)
	}
	if lock := hold(t, s, id, waiter); !lock.Record.Seen.Equal(next.Seen.Truncate(time.Millisecond)) || lock.Unclean {
		t.Errorf("got %+v, want what was seen at %v", lock, next.Seen)
	}
}
