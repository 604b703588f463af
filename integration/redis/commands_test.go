package redis_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// What each call makes Redis do: one command from the client, and those that its script runs.
func testCommands(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	must(t, "Ping", s.Ping(t.Context())) // makes the connection and loads the scripts
	commands(t, r)
	var n ticks
	id, ctx := newID(), t.Context()
	first, second, third := record(n.next(), "one"), record(n.next(), "two"), record(n.next(), "three")
	over := third
	over.TTL = -time.Hour
	read := func() error { _, err := s.Read(ctx, id); return err }
	creation := session.Version{}

	for _, c := range []struct {
		name string
		call func() error
		err  error
		want map[string]int
	}{
		{"read absent", read, session.ErrNotFound, map[string]int{"hmget": 1}},
		{"create", func() error { return s.Write(ctx, id, first, creation) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hset": 1, "pexpire": 1}},
		{"create again, the same", func() error { return s.Write(ctx, id, first, creation) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1}},
		{"create another", func() error { return s.Write(ctx, id, second, creation) }, session.ErrExists,
			map[string]int{"evalsha": 1, "hmget": 1}},
		{"read", read, nil, map[string]int{"hmget": 1}},
		{"touch", func() error { return s.Touch(ctx, id, first) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hset": 1, "pexpire": 1}},
		{"change after touch", func() error { return s.Write(ctx, id, second, first.Version) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hset": 1, "hdel": 1, "pexpire": 1}},
		{"change", func() error { return s.Write(ctx, id, third, second.Version) }, nil,
			map[string]int{"evalsha": 1, "hmget": 1, "hset": 1, "pexpire": 1}},
		{"change another version", func() error { return s.Write(ctx, id, second, first.Version) }, session.ErrConflict,
			map[string]int{"evalsha": 1, "hmget": 1}},
		{"touch another version", func() error { return s.Touch(ctx, id, first) }, nil, map[string]int{"evalsha": 1, "hmget": 1}},
		{"write past its deadline", func() error { return s.Write(ctx, id, over, third.Version) }, session.ErrNotFound, map[string]int{}},
		{"destroy", func() error { return s.Destroy(ctx, id) }, nil, map[string]int{"del": 1}},
		{"destroy again", func() error { return s.Destroy(ctx, id) }, nil, map[string]int{"del": 1}},
		{"change destroyed", func() error { return s.Write(ctx, id, second, third.Version) }, session.ErrNotFound,
			map[string]int{"evalsha": 1, "hmget": 1}},
		{"touch destroyed", func() error { return s.Touch(ctx, id, third) }, session.ErrNotFound, map[string]int{"evalsha": 1, "hmget": 1}},
		{"collect garbage", func() error { _, err := s.GC(ctx, 10); return err }, nil, map[string]int{}},
	} {
		if err := c.call(); !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.err)
		}
		if got := commands(t, r); !maps.Equal(got, c.want) {
			t.Errorf("%s: the server ran %v, want %v", c.name, got, c.want)
		}
	}
	if keys := r.Admin().Keys(ctx, "*").Val(); len(keys) > 0 {
		t.Errorf("%d keys are left", len(keys))
	}
}

// A refused write tells what is stored, last seen time included, without another round trip.
func testConflictHoldsNewest(t *testing.T) {
	t.Parallel()
	s := open(t, servers.StartRedis(t, nil).URL())
	var n ticks
	id, ctx := newID(), t.Context()
	stored := record(n.next(), "stored")
	must(t, "create", s.Write(ctx, id, stored, session.Version{}))
	stored.Seen = stored.Seen.Add(time.Minute).Truncate(time.Millisecond)
	must(t, "touch", s.Touch(ctx, id, stored))
	for want, prev := range map[error]session.Version{session.ErrExists: {}, session.ErrConflict: n.next()} {
		err := s.Write(ctx, id, record(n.next(), "refused"), prev)
		conflict, ok := errors.AsType[*session.ConflictError](err)
		if !ok || !errors.Is(err, want) {
			t.Fatalf("got error %v, want a ConflictError of %v", err, want)
		}
		if got := conflict.Newest; got.Version != stored.Version || string(got.Payload) != "stored" || !got.Seen.Equal(stored.Seen) {
			t.Errorf("%v: got version %v, payload %q, seen %v", want, got.Version, got.Payload, got.Seen)
		}
	}
}

// Many requests at once share the connections that there are; none is opened or closed once the pool is full.
func testSteadyConnections(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	id := newID()
	must(t, "create", s.Write(t.Context(), id, record(session.Version{1}, "x"), session.Version{}))
	opened := func() (n int) {
		info := r.Admin().InfoMap(t.Context(), "stats").Val()
		_, err := fmt.Sscan(info["Stats"]["total_connections_received"], &n)
		must(t, "INFO", err)
		return n
	}
	burst := func() {
		errs := make(chan error, 200)
		for range cap(errs) {
			go func() { _, err := s.Read(t.Context(), id); errs <- err }()
		}
		for range cap(errs) {
			must(t, "Read", <-errs)
		}
	}
	burst()
	burst()
	before := opened()
	for range 20 {
		burst()
	}
	if after := opened(); after != before || after > 40 {
		t.Errorf("%d connections after the warm-up, %d after 4,000 more reads", before, after)
	}
}
