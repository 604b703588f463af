package redis_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// shortLease ends by itself before brokenAfter.
const (
	shortLease  = time.Millisecond
	brokenAfter = 20 * time.Millisecond
)

// Those who wait are served in the order in which they came, whichever Store they came to, and however often those
// behind them ask.
func testLockOrder(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	stores := []store{open(t, r.URL()), open(t, r.URL())}
	for _, how := range []string{"asking", "called"} {
		if how == "called" {
			listening(t, stores...)
		}
		id, rec := stored(t, stores[0])
		holder := request("holder", time.Minute)
		hold(t, stores[0], id, holder)
		waiters := make([]session.LockRequest, 6)
		for i := range waiters {
			waiters[i] = request(fmt.Sprint("waiter ", i), time.Minute)
			queue(t, stores[i%2], id, waiters[i])
		}
		for i, w := range waiters {
			if i%3 == 1 {
				next := record(session.Version{byte(i + 1)}, "changed")
				must(t, "WriteRelease", stores[0].WriteRelease(t.Context(), id, next, rec.Version, holder.Token))
				rec = next
			} else {
				release(t, stores[i%2], id, holder)
			}
			if l := queue(t, stores[0], id, request("impatient", 0)); l.Holder.Path != w.Holder.Path {
				t.Fatalf("%s: the lock went to %v, want %s", how, l.Holder, w.Holder.Path)
			}
			for j := len(waiters) - 1; j > i; j-- { // in the wrong order
				queue(t, stores[j%2], id, waiters[j])
			}
			if lock := hold(t, stores[i%2], id, w); lock.Unclean || lock.Record.Version != rec.Version {
				t.Fatalf("%s: %s got %+v", how, w.Holder.Path, lock)
			}
			holder = w
		}
		release(t, stores[0], id, holder)
		expectFields(t, r, how, id, "r")
	}
}

// Waiters give up: who stood behind them moves up, and who was handed the lock passes it on.
func testLockGivenUp(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	id, _ := stored(t, s)
	holder := request("holder", 0)
	a, b, c := request("a", time.Minute), request("b", time.Minute), request("c", time.Minute)
	hold(t, s, id, holder)
	for _, w := range []session.LockRequest{a, b, c} {
		queue(t, s, id, w)
	}
	release(t, s, id, a)
	release(t, s, id, holder)
	expectHolder(t, r.Admin(), id, b)
	release(t, s, id, b)
	expectHolder(t, r.Admin(), id, c)
	if lock := hold(t, s, id, c); lock.Unclean {
		t.Errorf("nobody died, but got %+v", lock)
	}
}

// A lease that has ended is taken over by who asks next, who is told of it. The one before is refused from then on,
// also when its successor is gone.
func testLockTakenOver(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	stores := []store{open(t, r.URL()), open(t, r.URL())}
	ctx := t.Context()
	for _, wait := range []time.Duration{0, time.Minute} {
		id, rec := stored(t, stores[0])
		dead, next, last := request("dead", 0), request("next", wait), request("last", 0)
		dead.Lease = shortLease
		hold(t, stores[0], id, dead)
		time.Sleep(brokenAfter)
		lock := hold(t, stores[1], id, next)
		if !lock.Unclean || lock.Holder.Path != "/dead" || lock.Holder.Method != "POST" || lock.Holder.Node != "node of dead" {
			t.Errorf("got %+v, want an unclean lock of /dead", lock)
		}
		if ago := time.Since(lock.Holder.Since); ago < brokenAfter/2 || ago > patience {
			t.Errorf("the one before has it since %v", ago)
		}
		refused := func(when string) {
			t.Helper()
			changed := record(session.Version{2}, "changed by the dead")
			for op, err := range map[string]error{
				"WriteRelease": stores[0].WriteRelease(ctx, id, changed, rec.Version, dead.Token),
				"Extend":       stores[0].Extend(ctx, id, dead.Token, time.Hour),
			} {
				if !errors.Is(err, session.ErrLockLost) {
					t.Errorf("%s: %s: got error %v, want %v", when, op, err, session.ErrLockLost)
				}
			}
			release(t, stores[0], id, dead) // which is not the successor's
			expectPayload(t, stores[0], id, "stored")
		}
		refused("taken over")
		queue(t, stores[0], id, dead)
		if lock := hold(t, stores[1], id, next); !lock.Unclean || lock.Holder.Path != "/dead" { // its answer may have been lost
			t.Errorf("asked again: got %+v, want an unclean lock of /dead", lock)
		}
		release(t, stores[1], id, next)
		refused("taken over and released")
		if lock := hold(t, stores[1], id, last); lock.Unclean || lock.Holder != (session.Holder{}) {
			t.Errorf("after a clean release: got %+v", lock)
		}
		refused("taken over and released and taken")
	}
}

// A lease that has ended ends nothing while nobody asks: its holder goes on.
func testLeaseEndedUnnoticed(t *testing.T) {
	t.Parallel()
	s := open(t, servers.StartRedis(t, nil).URL())
	id, rec := stored(t, s)
	slow := request("slow", 0)
	slow.Lease = shortLease
	hold(t, s, id, slow)
	time.Sleep(brokenAfter)
	must(t, "Extend", s.Extend(t.Context(), id, slow.Token, shortLease))
	time.Sleep(brokenAfter)
	must(t, "WriteRelease", s.WriteRelease(t.Context(), id, record(session.Version{2}, "two"), rec.Version, slow.Token))
	expectPayload(t, s, id, "two")
	if lock := hold(t, s, id, request("next", 0)); lock.Unclean {
		t.Errorf("got %+v after a release", lock)
	}
}

// A holder dies, and who is handed its lock gives up before it asks: the next one is told of the dead, not of nobody.
func testUncleanPassesOn(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	for i := range 4 {
		queued, write := i%2 == 0, i >= 2
		id, prev := stored(t, s)
		dead, a, b := request("dead", 0), request("a", time.Minute), request("b", time.Minute)
		dead.Lease = 500 * time.Millisecond // long enough to queue behind it
		hold(t, s, id, dead)
		queue(t, s, id, a)
		eventually(t, "hand over", func() error { // by b, which asks again and again
			lock, err := s.Acquire(t.Context(), id, b)
			if err != nil || lock.Held || lock.Holder.Path == "/a" {
				return err
			}
			return fmt.Errorf("%v has it", lock.Holder)
		})
		expectHolder(t, r.Admin(), id, a)
		if !queued {
			release(t, s, id, b)
		}
		if write {
			must(t, "WriteRelease", s.WriteRelease(t.Context(), id, record(session.Version{2}, "written"), prev.Version, a.Token))
		} else {
			release(t, s, id, a)
		}
		if lock := hold(t, s, id, b); !lock.Unclean || lock.Holder.Path != "/dead" {
			t.Errorf("queued %v, written %v: got %+v, want an unclean lock of /dead", queued, write, lock)
		}
	}
}

// The queue is full: one more waiter is refused, and told who has the lock. Who does not wait needs no place.
func testLockQueueFull(t *testing.T) {
	t.Parallel()
	s := open(t, servers.StartRedis(t, nil).URL())
	id, _ := stored(t, s)
	holder := request("holder", 0)
	hold(t, s, id, holder)
	var first session.LockRequest
	for i := range session.MaxLockQueue {
		ask := request(strconv.Itoa(i), time.Minute)
		if i == 0 {
			first = ask
		}
		queue(t, s, id, ask)
	}
	more := request("more", time.Minute)
	lock, err := s.Acquire(t.Context(), id, more)
	if !errors.Is(err, session.ErrLocked) || lock.Held || lock.Holder.Path != "/holder" {
		t.Errorf("one more: got %+v and error %v, want %v", lock, err, session.ErrLocked)
	}
	queue(t, s, id, request("impatient", 0))
	queue(t, s, id, first)
	release(t, s, id, first)
	queue(t, s, id, more)
}

// Nobody overwrites what another one has written while everybody locks: two Stores, many goroutines, one counter.
func testLockExcludes(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	count(t, []store{open(t, r.URL()), open(t, r.URL())}, func() {})
}

// count has goroutines of all Stores increase a counter in one session, which they lock, while disturb runs.
func count(t *testing.T, stores []store, disturb func()) {
	t.Helper()
	const each, goroutines = 20, 8
	id, n := newID(), &ticks{}
	must(t, "create", stores[0].Write(t.Context(), id, record(n.next(), "0"), session.Version{}))
	var wg sync.WaitGroup
	for g := range goroutines {
		s := stores[g%len(stores)]
		wg.Go(func() {
			for range each {
				ask := request(strconv.Itoa(g), time.Minute)
				lock, err := await(t, s, id, ask)
				if err != nil {
					t.Errorf("Acquire: %v", err)
					return
				}
				value, err := strconv.Atoi(string(lock.Record.Payload))
				if err == nil {
					err = s.WriteRelease(t.Context(), id, record(n.next(), strconv.Itoa(value+1)), lock.Record.Version, ask.Token)
				}
				if err != nil {
					t.Errorf("increase: %v", err)
					return
				}
			}
		})
	}
	disturb()
	wg.Wait()
	expectPayload(t, stores[0], id, strconv.Itoa(each*goroutines))
}
