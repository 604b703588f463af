package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// handed ends the test unless the waiter is handed the lock itself.
func handed(t testing.TB, lock session.Lock) session.Lock {
	t.Helper()
	select {
	case got := <-lock.Wake: // never, if it is nil
		return got
	case <-time.After(patience):
		t.Fatal("the waiter is not called")
		return session.Lock{}
	}
}

// The message that calls a waiter carries the session as it is at that moment, whoever released the lock, and how.
func testHandedOver(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, waiting := open(t, r.URL()), open(t, r.URL())
	listening(t, waiting)
	ctx := t.Context()
	two, payload := session.Version{2}, " two\x00words \xff"
	for name, free := range map[string]func(id session.ID, rec, next session.Record, by session.LockRequest) error{
		"write and release": func(id session.ID, rec, next session.Record, by session.LockRequest) error {
			return holding.WriteRelease(ctx, id, next, rec.Version, by.Token)
		},
		"release": func(id session.ID, rec, next session.Record, by session.LockRequest) error {
			must(t, "Write", holding.Write(ctx, id, next, rec.Version))
			return holding.Release(ctx, id, by.Token)
		},
		"release after a touch": func(id session.ID, rec, next session.Record, by session.LockRequest) error {
			must(t, "Write", holding.Write(ctx, id, next, rec.Version))
			next.Seen = next.Seen.Add(time.Minute)
			must(t, "Touch", holding.Touch(ctx, id, next))
			return holding.Release(ctx, id, by.Token)
		},
		"write and release after a touch": func(id session.ID, rec, next session.Record, by session.LockRequest) error {
			touched := rec
			touched.Seen = rec.Seen.Add(time.Minute)
			must(t, "Touch", holding.Touch(ctx, id, touched))
			return holding.WriteRelease(ctx, id, next, rec.Version, by.Token)
		},
	} {
		id, rec := stored(t, holding)
		first, second, third := request("first", 0), request("second", time.Minute), request("third", 0)
		hold(t, holding, id, first)
		lock := queue(t, waiting, id, second)
		must(t, name, free(id, rec, record(two, payload), first))
		got := handed(t, lock)
		want, err := waiting.Read(ctx, id)
		must(t, "Read", err)
		if !got.Held || got.Unclean || got.Record.Version != two || string(got.Record.Payload) != payload || !got.Record.Seen.Equal(want.Seen) {
			t.Errorf("%s: got %+v, want the lock with %+v", name, got, want)
		}
		if left := time.Until(got.Expires); left > 3*time.Second {
			t.Errorf("%s: the lease is certain for %v, and is 3s", name, left)
		}
		queue(t, holding, id, third)
		must(t, "Extend", waiting.Extend(ctx, id, second.Token, time.Hour))
		must(t, "WriteRelease", waiting.WriteRelease(ctx, id, record(session.Version{3}, "three"), two, second.Token))
		hold(t, holding, id, third)
	}
}

// What was handed over counts as taken: if the waiter dies after that, it may have begun to work, and the next one is
// told so.
func testHandedOverAndDead(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, waiting := open(t, r.URL()), open(t, r.URL())
	listening(t, waiting)
	id, _ := stored(t, holding)
	first, dead, next := request("first", 0), request("dead", time.Minute), request("next", time.Minute)
	hold(t, holding, id, first)
	lock := queue(t, waiting, id, dead)
	release(t, holding, id, first)
	if !handed(t, lock).Held {
		t.Fatal("the lock is not handed over")
	}
	if lock := mustAwait(t, holding, id, next); !lock.Unclean || lock.Holder.Path != "/dead" {
		t.Errorf("got %+v, want an unclean lock of /dead", lock)
	}
}

// Some messages only call the waiter, who must ask: when the session is large, as Redis keeps messages for those who do
// not read them, and when it must be told of a dead holder.
func testCalledOnly(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, waiting := open(t, r.URL()), open(t, r.URL())
	listening(t, waiting)
	ctx := t.Context()

	id, rec := stored(t, holding)
	first, second := request("first", 0), request("second", time.Minute)
	hold(t, holding, id, first)
	lock := queue(t, waiting, id, second)
	large := record(session.Version{2}, strings.Repeat("x", 16<<10))
	must(t, "WriteRelease", holding.WriteRelease(ctx, id, large, rec.Version, first.Token))
	if got := handed(t, lock); got.Held {
		t.Error("a large session is sent as a message")
	}
	if lock := hold(t, waiting, id, second); lock.Unclean || len(lock.Record.Payload) != 16<<10 {
		t.Errorf("large: got %d bytes, unclean %v", len(lock.Record.Payload), lock.Unclean)
	}

	id, _ = stored(t, holding)
	dead, other := request("dead", 0), request("other", time.Minute)
	dead.Lease = 500 * time.Millisecond // long enough to queue behind it
	hold(t, holding, id, dead)
	lock = queue(t, waiting, id, second)
	eventually(t, "hand over", func() error { // by the other one, which asks again and again
		if got := queue(t, holding, id, other); got.Holder.Path != "/second" {
			return session.ErrLocked
		}
		return nil
	})
	if got := handed(t, lock); got.Held {
		t.Error("a waiter is not told of the dead one before it")
	}
	if lock := hold(t, waiting, id, second); !lock.Unclean || lock.Holder.Path != "/dead" {
		t.Errorf("got %+v, want an unclean lock of /dead", lock)
	}
}
