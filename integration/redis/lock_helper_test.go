package redis_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
)

// patience bounds what a test waits for that should come at once, on any machine.
const patience = 60 * time.Second

// request asks for a lock that is lent for longer than any test takes. The name is how others see the holder.
func request(name string, wait time.Duration) (ask session.LockRequest) {
	_, _ = rand.Read(ask.Token[:]) // never fails
	ask.Lease, ask.Wait = time.Hour, wait
	ask.Holder = session.Holder{Method: "POST", Path: "/" + name, Node: "node of " + name}
	return ask
}

// stored creates a session.
func stored(t testing.TB, s store) (session.ID, session.Record) {
	t.Helper()
	id, rec := newID(), record(session.Version{1}, "stored")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	return id, rec
}

// hold ends the test unless the lock is had now.
func hold(t testing.TB, s store, id session.ID, ask session.LockRequest) session.Lock {
	t.Helper()
	lock, err := s.Acquire(t.Context(), id, ask)
	must(t, "Acquire", err)
	if !lock.Held {
		t.Fatalf("%s does not get the lock, which %v has", ask.Holder.Path, lock.Holder)
	}
	return lock
}

// queue ends the test if the lock is had now.
func queue(t testing.TB, s store, id session.ID, ask session.LockRequest) session.Lock {
	t.Helper()
	lock, err := s.Acquire(t.Context(), id, ask)
	must(t, "Acquire", err)
	if lock.Held {
		t.Fatalf("%s has got a lock that another one has", ask.Holder.Path)
	}
	return lock
}

// await asks as a Manager does, until the lock is had.
func await(t testing.TB, s store, id session.ID, ask session.LockRequest) (session.Lock, error) {
	for begin := time.Now(); time.Since(begin) < patience; {
		lock, err := s.Acquire(t.Context(), id, ask)
		if err != nil || lock.Held {
			return lock, err
		}
		select {
		case handed := <-lock.Wake:
			if handed.Held && time.Now().Before(handed.Expires) {
				return handed, nil
			}
		case <-time.After(lock.Retry):
		}
	}
	return session.Lock{}, fmt.Errorf("%s waits in vain", ask.Holder.Path)
}

// mustAwait ends the test unless the lock is had at last.
func mustAwait(t testing.TB, s store, id session.ID, ask session.LockRequest) session.Lock {
	t.Helper()
	lock, err := await(t, s, id, ask)
	must(t, "Acquire", err)
	return lock
}

// woken ends the test unless the waiter is called.
func woken(t testing.TB, lock session.Lock) {
	t.Helper()
	select {
	case <-lock.Wake: // never, if it is nil
	case <-time.After(patience):
		t.Fatal("the waiter is not called")
	}
}

// release ends the test unless the lock, or the place in the queue, can be given back.
func release(t testing.TB, s store, id session.ID, ask session.LockRequest) {
	t.Helper()
	must(t, "Release", s.Release(t.Context(), id, ask.Token))
}

// listening makes Stores subscribe, and waits until their waiters are called.
func listening(t testing.TB, stores ...store) {
	t.Helper()
	for _, s := range stores {
		id, _ := stored(t, s)
		holder, waiter := request("holder", 0), request("waiter", time.Minute)
		hold(t, s, id, holder)
		eventually(t, "subscribe", func() error {
			if queue(t, s, id, waiter).Wake == nil {
				return errors.New("the subscription is not up")
			}
			return nil
		})
		must(t, "destroy", s.Destroy(t.Context(), id))
		release(t, s, id, waiter)
	}
}

// subscriptions waits until there are n channels.
func subscriptions(t testing.TB, r *redis.Client, n int) {
	t.Helper()
	eventually(t, "PUBSUB CHANNELS", func() error {
		if channels := r.PubSubChannels(t.Context(), "*").Val(); len(channels) != n {
			return fmt.Errorf("%d channels, want %d", len(channels), n)
		}
		return nil
	})
}

// expectHolder ends the test unless the lock is lent to the one who asked so, whether or not it knows.
func expectHolder(t testing.TB, r redis.Cmdable, id session.ID, ask session.LockRequest) {
	t.Helper()
	l, err := r.HGet(t.Context(), key(id), "l").Result()
	must(t, "HGET", err)
	if !strings.HasPrefix(l, fmt.Sprintf("%x ", ask.Token)) {
		t.Fatalf("the lock is not lent to %s: %q", ask.Holder.Path, l)
	}
}
