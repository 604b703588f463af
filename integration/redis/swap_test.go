package redis_test

import (
	"errors"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// One backend is exchanged for the other and back, while sessions live and locks are held. What one of them has stored is
// to the byte what the other one would have.
func TestSwap(t *testing.T) {
	t.Parallel()
	single, cluster := servers.StartRedis(t, nil), servers.StartRedisCluster(t, nil)
	for name, c := range map[string]struct {
		url   string
		admin redis.UniversalClient
	}{
		"single":  {single.URL(), single.Admin()},
		"cluster": {cluster.URL(), clusterClient(t, cluster)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := openBoth(t, c.url)
			for i, one := range both {
				other := both[1-i]
				swapSession(t, c.admin, one, other)
				swapLock(t, one, other)
			}
			swapCounter(t, both)
		})
	}
}

func openBoth(t *testing.T, rawURL string) [2]store {
	t.Helper()
	rawURL = withParams(t, rawURL, patient)
	first, err := goredis.Open(rawURL)
	must(t, "Open", err)
	t.Cleanup(func() { _ = first.Close() })
	second, err := redigo.Open(rawURL)
	must(t, "Open", err)
	t.Cleanup(func() { _ = second.Close() })
	return [2]store{first, second}
}

// swapSession has one of them begin what the other one goes on with.
func swapSession(t *testing.T, admin redis.UniversalClient, one, other store) {
	t.Helper()
	ctx := t.Context()
	fields := func(id session.ID) map[string]string {
		got, err := admin.HGetAll(ctx, key(id)).Result()
		must(t, "HGETALL", err)
		if ttl := admin.PTTL(ctx, key(id)).Val(); ttl <= 0 || ttl > 2*time.Hour {
			t.Errorf("the time to live is %v", ttl)
		}
		return got
	}
	id, twin := newID(), newID()
	rec := record(session.Version{1}, "one")
	seen := rec
	seen.Seen = rec.Seen.Add(time.Minute)
	next := record(session.Version{2}, "two \x00\xff\r\n")
	for _, step := range []struct {
		name string
		do   func(s store, id session.ID) error
	}{
		{"create", func(s store, id session.ID) error { return s.Write(ctx, id, rec, session.Version{}) }},
		{"touch", func(s store, id session.ID) error { return s.Touch(ctx, id, seen) }},
		{"change", func(s store, id session.ID) error { return s.Write(ctx, id, next, rec.Version) }},
		{"change again", func(s store, id session.ID) error { return s.Write(ctx, id, next, rec.Version) }},
	} {
		must(t, step.name, step.do(one, id))
		must(t, step.name, step.do(other, twin))
		if a, b := fields(id), fields(twin); !maps.Equal(a, b) {
			t.Errorf("%s: one stores %q, the other %q", step.name, a, b)
		}
		a, err := other.Read(ctx, id)
		must(t, "Read", err)
		b, err := one.Read(ctx, twin)
		must(t, "Read", err)
		if a.Version != b.Version || string(a.Payload) != string(b.Payload) || !a.Seen.Equal(b.Seen) {
			t.Errorf("%s: one reads %+v, the other %+v", step.name, b, a)
		}
		one, other = other, one
	}
	var conflict *session.ConflictError
	if err := other.Write(ctx, id, record(session.Version{3}, "three"), rec.Version); !errors.As(err, &conflict) || conflict.Newest.Version != next.Version {
		t.Errorf("a change of an old version: got error %v", err)
	}
	must(t, "Destroy", one.Destroy(ctx, id))
	if _, err := other.Read(ctx, id); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Read after Destroy: %v", err)
	}
	if err := other.Write(ctx, id, next, rec.Version); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a late Write: %v", err)
	}
}

// swapLock has one of them hold what the other one waits for.
func swapLock(t *testing.T, one, other store) {
	t.Helper()
	ctx := t.Context()
	listening(t, other)
	id, rec := stored(t, one)
	first, second := request("first", 0), request("second", time.Minute)
	hold(t, one, id, first)
	if lock := queue(t, other, id, second); lock.Holder.Path != "/first" {
		t.Errorf("the holder is %v", lock.Holder)
	}
	if err := other.WriteRelease(ctx, id, record(session.Version{2}, "stolen"), rec.Version, second.Token); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("WriteRelease of one who waits: %v", err)
	}
	must(t, "Extend by the other backend", other.Extend(ctx, id, first.Token, time.Hour)) // the program was exchanged meanwhile
	must(t, "WriteRelease", one.WriteRelease(ctx, id, record(session.Version{2}, "two"), rec.Version, first.Token))
	lock := mustAwait(t, other, id, second)
	if lock.Unclean || string(lock.Record.Payload) != "two" {
		t.Errorf("got %+v", lock)
	}
	if err := one.WriteRelease(ctx, id, record(session.Version{3}, "late"), session.Version{2}, first.Token); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("WriteRelease of a former holder: %v", err)
	}
	release(t, one, id, second)
	expectPayload(t, other, id, "two")
}

// swapCounter has both of them count in one session under its lock.
func swapCounter(t *testing.T, both [2]store) {
	t.Helper()
	count(t, both[:], func() {})
	id := newID()
	must(t, "create", both[0].Write(t.Context(), id, record(session.Version{1}, "0"), session.Version{}))
	n := &ticks{}
	n.next()
	for i := range 100 { // without a lock, one after the other
		s := both[i%2]
		rec, err := s.Read(t.Context(), id)
		must(t, "Read", err)
		must(t, "Write", s.Write(t.Context(), id, record(n.next(), strconv.Itoa(i+1)), rec.Version))
	}
	expectPayload(t, both[0], id, "100")
}
