package redis_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// What each call makes Redis do. An exclusive request that finds the lock free takes two round trips: Acquire, which
// reads as well, and WriteRelease.
func testLockCommands(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx := t.Context()
	warm, rec := stored(t, s)
	first, second, third := rec, record(session.Version{2}, "two"), record(session.Version{3}, "three")
	mine, other := request("mine", 0), request("other", 0)
	hold(t, s, warm, mine) // loads the scripts, as do the next
	must(t, "Extend", s.Extend(ctx, warm, mine.Token, time.Hour))
	must(t, "Touch", s.Touch(ctx, warm, rec))
	must(t, "WriteRelease", s.WriteRelease(ctx, warm, second, first.Version, mine.Token))
	release(t, s, warm, mine)
	id, _ := stored(t, s)
	commands(t, r)

	acquire := func(ask session.LockRequest, held bool) func() error {
		return func() error {
			lock, err := s.Acquire(ctx, id, ask)
			if lock.Held != held {
				t.Errorf("%s: got %+v, want Held %v", ask.Holder.Path, lock, held)
			}
			return err
		}
	}
	write := func(rec session.Record, prev session.Version, by session.LockRequest) func() error {
		return func() error { return s.WriteRelease(ctx, id, rec, prev, by.Token) }
	}
	for _, c := range []struct {
		name string
		call func() error
		err  error
		want map[string]int
	}{
		{"acquire", acquire(mine, true), nil, map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hset": 1}},
		{"write and release", write(second, first.Version, mine), nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hset": 1, "pexpire": 1, "hdel": 1}},
		{"the same again", write(second, first.Version, mine), nil, map[string]int{"evalsha": 1, "hmget": 1}},
		{"without the lock", write(third, second.Version, mine), session.ErrLockLost, map[string]int{"evalsha": 1, "hmget": 1}},
		{"acquire for nothing", acquire(mine, true), nil, map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hset": 1}},
		{"acquire again", acquire(mine, true), nil, map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hset": 1}},
		{"acquire what is held", acquire(other, false), nil, map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hset": 1}},
		{"extend", func() error { return s.Extend(ctx, id, mine.Token, time.Hour) }, nil,
			map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hdel": 1, "hset": 1}},
		{"extend another's", func() error { return s.Extend(ctx, id, other.Token, time.Hour) }, session.ErrLockLost,
			map[string]int{"evalsha": 1, "time": 1, "hmget": 2}},
		{"write another version", write(third, first.Version, mine), session.ErrConflict, map[string]int{"evalsha": 1, "hmget": 1}},
		{"release another's", func() error { return s.Release(ctx, id, other.Token) }, nil,
			map[string]int{"evalsha": 1, "time": 1, "hmget": 1, "hdel": 1, "hset": 1}},
		{"release", func() error { return s.Release(ctx, id, mine.Token) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hdel": 1}},
		{"release again", func() error { return s.Release(ctx, id, mine.Token) }, nil, map[string]int{"evalsha": 1, "hmget": 1}},
		{"destroy", func() error { return s.Destroy(ctx, id) }, nil, map[string]int{"del": 1}},
		{"acquire destroyed", acquire(mine, false), session.ErrNotFound, map[string]int{"evalsha": 1, "hmget": 1}},
	} {
		if err := c.call(); !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.err)
		}
		if got := commands(t, r); !maps.Equal(got, c.want) {
			t.Errorf("%s: the server ran %v, want %v", c.name, got, c.want)
		}
	}
}

// A waiter asks once, for its place, and the release hands the lock over by one message: two round trips for the two of
// them. It would ask more often only if it waited for longer than the safety net allows, which asks every 250 ms.
func testWakeCommands(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, waiting := open(t, r.URL()), open(t, r.URL())
	listening(t, waiting)
	for name, free := range map[string]func(id session.ID, rec session.Record, by session.LockRequest) error{
		"release": func(id session.ID, _ session.Record, by session.LockRequest) error {
			return holding.Release(t.Context(), id, by.Token)
		},
		"write and release": func(id session.ID, rec session.Record, by session.LockRequest) error {
			return holding.WriteRelease(t.Context(), id, record(session.Version{2}, "two"), rec.Version, by.Token)
		},
	} {
		id, rec := stored(t, holding)
		first, second := request("first", 0), request("second", time.Minute)
		warm, _ := stored(t, holding)
		_ = free(warm, rec, first) // loads the script
		hold(t, holding, id, first)
		commands(t, r)
		lock := queue(t, waiting, id, second)
		must(t, name, free(id, rec, first))
		held := handed(t, lock).Held
		got := commands(t, r)
		if !held || got["evalsha"] != 2 || got["publish"] != 1 || got["eval"] != 0 {
			t.Errorf("%s: held %v, the server ran %v, want 2 scripts and 1 message", name, held, got)
		}
	}
}

// A Store of which nobody ever waits has no connection for messages, and one that many wait for has one.
func testOneSubscription(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	id, _ := stored(t, s)
	holder := request("holder", time.Minute)
	hold(t, s, id, holder)
	queue(t, s, id, request("impatient", 0))
	subscriptions(t, r.Admin(), 0)
	for range 10 {
		queue(t, s, id, request("waiter", time.Minute))
	}
	listening(t, s)
	if clients := r.Admin().Do(t.Context(), "client", "list", "type", "pubsub").String(); countLines(clients) != 1 {
		t.Errorf("want one connection for messages, got %s", clients)
	}
	must(t, "Close", s.Close())
	subscriptions(t, r.Admin(), 0)
}
