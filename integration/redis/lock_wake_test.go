package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A process dies while one of its requests waits. Its place is skipped when the lock is released, and the next waiter has
// the lock at that moment.
func testDeadWaiter(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, living := open(t, r.URL()), open(t, r.URL())
	listening(t, living)
	for name, free := range map[string]func(id session.ID, rec session.Record, by session.LockRequest) error{
		"release": func(id session.ID, _ session.Record, by session.LockRequest) error {
			return holding.Release(t.Context(), id, by.Token)
		},
		"write and release": func(id session.ID, rec session.Record, by session.LockRequest) error {
			return holding.WriteRelease(t.Context(), id, record(session.Version{2}, "two"), rec.Version, by.Token)
		},
	} {
		dying := open(t, r.URL())
		listening(t, dying)
		id, rec := stored(t, holding)
		holder, dead, next := request("holder", 0), request("dead", time.Minute), request("next", time.Minute)
		hold(t, holding, id, holder)
		queue(t, dying, id, dead)
		lock := queue(t, living, id, next)
		must(t, "Close", dying.Close())
		subscriptions(t, r.Admin(), 1)
		must(t, name, free(id, rec, holder))
		expectHolder(t, r.Admin(), id, next)
		woken(t, lock)
		if lock := hold(t, living, id, next); lock.Unclean {
			t.Errorf("%s: got %+v, but the dead one never had the lock", name, lock)
		}
	}
}

// A client that is closed before its Store ends the subscription as well, and then Close has nothing to wait for.
func TestClientClosedWhileListening(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true})
	s, err := goredis.New(client, nil)
	must(t, "New", err)
	listening(t, s)
	subscriptions(t, r.Admin(), 1)
	must(t, "close the client", client.Close())
	subscriptions(t, r.Admin(), 0)
	must(t, "Close", s.Close())
}

// The connection by which waiters are called breaks again and again: they are served all the same, and called again later.
func testSubscriptionKilled(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	holding, waiting := open(t, r.URL()), open(t, r.URL())
	listening(t, waiting)
	id, _ := stored(t, holding)
	kill := func() { must(t, "CLIENT KILL", admin(r, "client kill type pubsub")) }
	for range 5 {
		holder, waiter := request("holder", 0), request("waiter", time.Minute)
		mustAwait(t, holding, id, holder)
		queue(t, waiting, id, waiter)
		kill()
		release(t, holding, id, holder)
		mustAwait(t, waiting, id, waiter)
		release(t, waiting, id, waiter)
	}
	listening(t, waiting)
	count(t, []store{holding, waiting}, func() {
		for range 10 {
			kill()
			time.Sleep(10 * time.Millisecond)
		}
	})
	listening(t, holding, waiting)
}

// The message that calls a waiter is lost, and so is all that would follow. The waiter asks by itself, and a connection
// that is silent is given up for a new one.
func testMessageLost(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	proxy := servers.StartProxy(t, r.Addr())
	holding, waiting := open(t, r.URL()), open(t, "redis://"+proxy.Addr())
	listening(t, waiting)
	id, _ := stored(t, holding)
	holder, waiter := request("holder", 0), request("waiter", time.Minute)
	hold(t, holding, id, holder)
	lock := queue(t, waiting, id, waiter)
	if lock.Wake == nil || lock.Retry <= 0 || lock.Retry > time.Second {
		t.Errorf("got %+v, want to ask again soon", lock)
	}
	before := pubsub(t, r)
	proxy.Lose(servers.Silence)
	release(t, holding, id, holder)
	eventually(t, "lose the message", func() error {
		if proxy.Lost() == 0 {
			return session.ErrUnavailable
		}
		return nil
	})
	mustAwait(t, waiting, id, waiter)
	for begin := time.Now(); pubsub(t, r) == before || pubsub(t, r) == ""; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("a silent connection is listened to for ever")
		}
	}
	listening(t, waiting)
}

// pubsub names the only connection for messages, or is empty.
func pubsub(t testing.TB, r *servers.Redis) (id string) {
	t.Helper()
	list, err := r.Admin().Do(t.Context(), "client", "list", "type", "pubsub").Text()
	must(t, "CLIENT LIST", err)
	id, _, _ = strings.Cut(list, " ")
	return id
}

// A server that forgets its scripts between any two calls gets them again, and nobody notices.
func testLockScriptFlush(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	listening(t, s)
	id, rec := stored(t, s)
	first, second := request("first", time.Minute), request("second", time.Minute)
	flush := func() { must(t, "SCRIPT FLUSH", r.Admin().ScriptFlush(t.Context()).Err()) }
	commands(t, r)
	flush()
	hold(t, s, id, first)
	flush()
	lock := queue(t, s, id, second)
	flush()
	must(t, "Extend", s.Extend(t.Context(), id, first.Token, time.Hour))
	flush()
	must(t, "WriteRelease", s.WriteRelease(t.Context(), id, record(session.Version{2}, "two"), rec.Version, first.Token))
	woken(t, lock)
	flush()
	hold(t, s, id, second)
	flush()
	release(t, s, id, second)
	expectFields(t, r, "released", id, "r")
	if got := commands(t, r); got["evalsha"] != 6 || got["eval"] != 6 || got["publish"] != 1 {
		t.Errorf("the server ran %v, want each of 6 scripts by name and whole, and one message", got)
	}
	count(t, []store{s, open(t, r.URL())}, func() {
		for range 100 {
			flush()
			time.Sleep(time.Millisecond)
		}
	})
}
