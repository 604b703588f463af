package lease_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/lease"
	"github.com/nonstick-go/nonstick/core/session"
)

const span = 5 * time.Second // of a lease

// actor wants the lock now and then. It lives as a holder does: what it believes is all that it knows.
type actor struct {
	ask     session.LockRequest
	waits   bool
	joined  int       // its place in the order of arrival
	next    time.Time // when it asks again
	holds   bool
	until   time.Time // the end of its lease, as it believes
	worked  bool      // it has had the lock, and then died with it
	crashed bool
}

// world plays actors on one State, with a clock of its own.
type world struct {
	t      *testing.T
	rand   *rand.Rand
	now    time.Time
	state  lease.State
	actors []*actor
	tokens uint64
	order  int
	deaf   bool // waiters may be away when they are called
}

// wake is what a store does: it finds the waiter, unless that one has died.
func (w *world) wake(token session.LockToken) bool {
	for _, a := range w.actors {
		if a.ask.Token == token && a.waits && !a.crashed {
			a.next = w.now
			return true
		}
	}
	return !w.deaf // a store that cannot know says that somebody is there
}

func (w *world) ask(a *actor) {
	if !a.waits && !a.holds {
		w.tokens++
		a.ask = session.LockRequest{Lease: span, Wait: time.Minute, Holder: session.Holder{Node: "n"}}
		binary.BigEndian.PutUint64(a.ask.Token[:], w.tokens)
		w.order++
		a.joined = w.order
	}
	lock, err := w.state.Acquire(w.now, a.ask, w.wake)
	if err != nil {
		if !errors.Is(err, session.ErrLocked) || len(w.state.Queue) < session.MaxLockQueue {
			w.t.Fatalf("Acquire: %v with %d in the queue", err, len(w.state.Queue))
		}
		a.waits = false
		return
	}
	if !lock.Held {
		a.waits, a.next = true, w.now.Add(250*time.Millisecond)
		return
	}
	dead := false
	for _, b := range w.actors {
		switch {
		case b == a:
		case b.holds && !b.crashed && w.now.Before(b.until):
			w.t.Fatal("two hold the lock")
		case b.waits && !b.crashed && !a.holds && b.joined < a.joined:
			w.t.Fatalf("number %d is served before %d, who still asks", a.joined, b.joined)
		case b.worked:
			dead = true
		}
	}
	if a.waits || !a.holds {
		if lock.Unclean != dead {
			w.t.Fatalf("Unclean is %v, and a holder has died: %v", lock.Unclean, dead)
		}
		for _, b := range w.actors {
			b.worked = false
		}
	}
	a.waits, a.holds, a.until = false, true, w.now.Add(span)
}

func (w *world) step() {
	a := w.actors[w.rand.IntN(len(w.actors))]
	switch {
	case a.crashed:
		if w.rand.IntN(20) == 0 && !a.worked {
			*a = actor{}
		}
	case w.rand.IntN(40) == 0 && (a.holds || a.waits):
		a.worked, a.crashed, a.waits, a.holds = a.holds, true, false, false
	case a.holds && w.rand.IntN(3) == 0:
		if w.state.Token != a.ask.Token {
			w.t.Fatal("a holder that lives has lost the lock within its lease")
		}
		w.state.Release(w.now, a.ask.Token, w.wake)
		*a = actor{}
	case a.holds:
		if err := w.state.Extend(w.now, a.ask.Token, span); err != nil {
			w.t.Fatalf("Extend: %v", err)
		}
		a.until = w.now.Add(span)
	case a.waits && w.rand.IntN(10) == 0:
		w.state.Release(w.now, a.ask.Token, w.wake)
		*a = actor{}
	case !a.waits:
		w.ask(a)
	}
	w.now = w.now.Add(time.Duration(w.rand.IntN(50)) * time.Millisecond)
	for _, a := range w.actors { // all that live ask when it is time
		if a.waits && !w.now.Before(a.next) {
			w.ask(a)
		}
	}
	if w.rand.IntN(10) > 0 {
		return
	}
	data, err := json.Marshal(&w.state)
	if err != nil {
		w.t.Fatal(err)
	}
	var again lease.State
	if err := json.Unmarshal(data, &again); err != nil || len(w.state.Queue) > 0 && !reflect.DeepEqual(again, w.state) {
		w.t.Fatalf("after JSON %+v is %+v, error %v", w.state, again, err)
	}
}

// TestRandom lets actors come, wait, hold, give up and die at random. There is one holder at most, nobody who still asks
// is overtaken, and who takes over from the dead is told, and nobody else.
func TestRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0).UTC(), deaf: seed%2 == 0}
		for range 2 + seed%9 {
			w.actors = append(w.actors, new(actor))
		}
		for range 1000 {
			w.step()
		}
		w.now = w.now.Add(time.Hour)
		last := &actor{}
		w.actors = []*actor{last, {worked: w.state.Token != session.LockToken{} && (w.state.Taken || w.state.Unclean)}}
		for w.ask(last); !last.holds; w.ask(last) {
			w.now = w.now.Add(time.Second)
		}
		if w.state.Release(w.now, last.ask.Token, w.wake); !w.state.Free() {
			t.Fatalf("seed %d: after all are gone there is %+v", seed, w.state)
		}
	}
}
