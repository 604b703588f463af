package redis_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

func countLines(text string) int { return strings.Count(text, "id=") }

// expectFields fails unless the hash of a session has these fields, in alphabetical order.
func expectFields(t *testing.T, r *servers.Redis, when string, id session.ID, want ...string) {
	t.Helper()
	got := r.Admin().HKeys(t.Context(), key(id)).Val()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the fields are %q, want %q", when, got, want)
	}
}

// A lock leaves nothing behind, and changes nothing of how long the session lives, but as a Write does.
func testLockFields(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx := t.Context()
	id, rec := stored(t, s)
	ends := func() time.Duration { return r.Admin().PExpireTime(ctx, key(id)).Val() }
	before := ends()
	if before <= 0 {
		t.Fatalf("the session ends at %v", before)
	}
	same := func(when string, fields ...string) {
		t.Helper()
		expectFields(t, r, when, id, fields...)
		if got := ends(); got != before {
			t.Errorf("%s: the key lives for %v longer", when, got-before)
		}
	}
	first, second := request("first", time.Minute), request("second", time.Minute)
	hold(t, s, id, first)
	same("acquired", "l", "r")
	must(t, "Extend", s.Extend(ctx, id, first.Token, 100*time.Hour))
	same("extended", "l", "r")
	queue(t, s, id, request("impatient", 0))
	same("asked", "l", "r")
	queue(t, s, id, second)
	same("waited for", "l", "q", "r")
	must(t, "Extend", s.Extend(ctx, id, first.Token, 100*time.Hour))
	same("extended while waited for", "l", "q", "r")
	release(t, s, id, second)
	same("no longer waited for", "l", "r")
	queue(t, s, id, second)
	release(t, s, id, first)
	same("handed over", "l", "r")
	hold(t, s, id, second)
	release(t, s, id, second)
	same("released", "r")
	release(t, s, id, second)
	same("released again", "r")

	hold(t, s, id, first)
	queue(t, s, id, second)
	rec.Seen = rec.Seen.Add(time.Minute)
	must(t, "Touch", s.Touch(ctx, id, rec))
	expectFields(t, r, "touched", id, "l", "q", "r", "t")
	longer := record(session.Version{2}, "longer")
	longer.TTL = 2 * time.Hour
	must(t, "WriteRelease", s.WriteRelease(ctx, id, longer, rec.Version, first.Token))
	expectFields(t, r, "written and handed over", id, "l", "r")
	if late := ends() - time.Duration(longer.Deadline().UnixMilli())*time.Millisecond; late < 0 || late > time.Minute {
		t.Errorf("after WriteRelease the key ends %v after the session", late)
	}
	hold(t, s, id, second)
	shorter := record(session.Version{3}, "shorter")
	must(t, "WriteRelease", s.WriteRelease(ctx, id, shorter, longer.Version, second.Token))
	expectFields(t, r, "written and released", id, "r")
	if late := ends() - time.Duration(shorter.Deadline().UnixMilli())*time.Millisecond; late < 0 || late > time.Minute {
		t.Errorf("after WriteRelease the key ends %v after the session", late)
	}
	expectPayload(t, s, id, "shorter")
}

// Whoever asks for what is not there stores nothing.
func testLockUnknown(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx, id := t.Context(), newID()
	for _, wait := range []time.Duration{0, time.Minute} {
		ask := request("somebody", wait)
		if lock, err := s.Acquire(ctx, id, ask); !errors.Is(err, session.ErrNotFound) || lock.Held || lock.Wake != nil {
			t.Errorf("Acquire: got %+v and error %v, want %v", lock, err, session.ErrNotFound)
		}
		if err := s.Extend(ctx, id, ask.Token, time.Hour); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Extend: got error %v, want %v", err, session.ErrNotFound)
		}
		must(t, "Release", s.Release(ctx, id, ask.Token))
		err := s.WriteRelease(ctx, id, record(session.Version{2}, "x"), session.Version{1}, ask.Token)
		if !errors.Is(err, session.ErrNotFound) {
			t.Errorf("WriteRelease: got error %v, want %v", err, session.ErrNotFound)
		}
	}
	if n := r.Admin().DBSize(ctx).Val(); n != 0 {
		t.Errorf("%d keys are stored", n)
	}
}

// Lock and queue end with the session: who creates it anew has nobody before it.
func testLockDestroyed(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx := t.Context()
	id, rec := stored(t, s)
	holder, waiter := request("holder", time.Minute), request("waiter", time.Minute)
	hold(t, s, id, holder)
	queue(t, s, id, waiter)
	must(t, "destroy", s.Destroy(ctx, id))
	if _, err := s.Acquire(ctx, id, waiter); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the waiter: got error %v, want %v", err, session.ErrNotFound)
	}
	must(t, "create", s.Write(ctx, id, rec, session.Version{}))
	if err := s.Extend(ctx, id, holder.Token, time.Hour); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("the holder: got error %v, want %v", err, session.ErrLockLost)
	}
	if lock := hold(t, s, id, request("next", 0)); lock.Unclean || lock.Holder != (session.Holder{}) {
		t.Errorf("the next one is told of %+v", lock)
	}
}

// A lock that somebody wrote nonsense into is a free one, and a key that holds no session is corrupt.
func testLockCorrupt(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx := t.Context()
	for _, garbage := range []string{"", "x", "l", strings.Repeat("f", 32), strings.Repeat("0 ", 1000), "\x00;\n;"} {
		id, _ := stored(t, s)
		must(t, "HSET", r.Admin().HSet(ctx, key(id), "l", garbage, "q", garbage).Err())
		ask := request("somebody", time.Minute)
		if err := s.Extend(ctx, id, ask.Token, time.Hour); !errors.Is(err, session.ErrLockLost) {
			t.Errorf("%.20q: Extend: got error %v, want %v", garbage, err, session.ErrLockLost)
		}
		if lock := hold(t, s, id, ask); lock.Unclean {
			t.Errorf("%.20q: got %+v", garbage, lock)
		}
		release(t, s, id, ask)
		expectFields(t, r, "released", id, "r")
	}
	for name, spoil := range map[string]func(k string) error{
		"string":    func(k string) error { return r.Admin().Set(ctx, k, "x", 0).Err() },
		"no record": func(k string) error { return r.Admin().HSet(ctx, k, "r", "x").Err() },
	} {
		id, ask := newID(), request("somebody", 0)
		must(t, "spoil", spoil(key(id)))
		if lock, err := s.Acquire(ctx, id, ask); !errors.Is(err, session.ErrCorrupt) || lock.Held {
			t.Errorf("%s: got %+v and error %v, want %v", name, lock, err, session.ErrCorrupt)
		}
	}
}

// The lock of one prefix is not that of another, and nothing of a lock is stored elsewhere.
func testLockPrefix(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s, other := open(t, r.URL()), open(t, withParams(t, r.URL(), "prefix=shop:"))
	id, rec := stored(t, s)
	must(t, "create", other.Write(t.Context(), id, rec, session.Version{}))
	for _, store := range []store{s, other} {
		hold(t, store, id, request("holder", 0))
		queue(t, store, id, request("waiter", time.Minute))
	}
	listening(t, s, other)
	for _, prefix := range []string{"nonstick:wake:", "shop:wake:"} {
		if channels := r.Admin().PubSubChannels(t.Context(), prefix+"*").Val(); len(channels) != 1 {
			t.Errorf("%d channels begin with %s, want 1", len(channels), prefix)
		}
	}
	if n := r.Admin().DBSize(t.Context()).Val(); n != 2 {
		t.Errorf("%d keys are stored, want 2", n)
	}
}
