package sessiontest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// turnLimit is what waiting for one's turn may take when somebody in front has died, on a slow machine.
const turnLimit = 20 * time.Second

// owner is somebody who wants a session for itself. It does not wait unless ask.Wait is set.
type owner struct {
	p   *probe
	l   session.Locker
	id  session.ID
	ask session.LockRequest
}

// owner makes one with a lease that does not end. The path tells it from others.
func (p *probe) owner(h session.Handler, id session.ID, path string) *owner {
	l, ok := h.(session.Locker)
	if !ok { // which the case "capabilities" finds too
		p.fatalf("the Handler is no Locker")
	}
	o := &owner{p: p, l: l, id: id, ask: session.LockRequest{Lease: life, Holder: session.Holder{Method: "POST", Path: path, Node: "n"}}}
	_, _ = rand.Read(o.ask.Token[:]) // never fails
	return o
}

func (o *owner) acquire() (session.Lock, error) { return o.l.Acquire(o.p.ctx, o.id, o.ask) }

func (o *owner) extend(lease time.Duration) error {
	return o.l.Extend(o.p.ctx, o.id, o.ask.Token, lease)
}

func (o *owner) write(rec session.Record, prev session.Version) error {
	return o.l.WriteRelease(o.p.ctx, o.id, rec, prev, o.ask.Token)
}

// holds ends the case unless Acquire gives the lock.
func (o *owner) holds(what string) session.Lock {
	lock, err := o.acquire()
	o.p.ok(what, err)
	if !lock.Held {
		o.p.fatalf("%s: %s does not get the lock, which is free", what, o.ask.Holder.Path)
	}
	return lock
}

// refused ends the case if Acquire gives the lock.
func (o *owner) refused(what string) session.Lock {
	lock, err := o.acquire()
	o.p.ok(what, err)
	if lock.Held {
		o.p.fatalf("%s: %s gets the lock that is another one's", what, o.ask.Holder.Path)
	}
	return lock
}

// gives ends the case unless Release works.
func (o *owner) gives() { o.p.ok("Release", o.l.Release(o.p.ctx, o.id, o.ask.Token)) }

// turn is what waiting has come to.
type turn struct {
	lock session.Lock
	err  error
}

// waits takes a place in the queue, and asks as a Manager does until its turn has come or something else than a lock.
func (o *owner) waits() <-chan turn {
	o.ask.Wait = life
	lock := o.refused("Acquire of one who is going to wait")
	got := make(chan turn, 1)
	go func() {
		defer o.p.caught()
		lock, err := o.patient(lock, nil)
		got <- turn{lock, err}
	}()
	return got
}

// patient goes on asking after an answer of Acquire, until the lock is held.
func (o *owner) patient(lock session.Lock, err error) (session.Lock, error) {
	for err == nil && !lock.Held {
		if lock.Retry <= 0 {
			return lock, errors.New("a waiter is not told when to ask again")
		}
		select {
		case handed := <-lock.Wake:
			if handed.Held {
				return handed, o.lasts(handed)
			}
		case <-time.After(lock.Retry):
		case <-o.p.ctx.Done():
			return lock, o.p.ctx.Err()
		}
		lock, err = o.acquire()
	}
	return lock, err
}

// lasts returns an error if a lock that was handed over has no end, or a later one than was asked for.
func (o *owner) lasts(handed session.Lock) error {
	switch {
	case handed.Expires.IsZero():
		return errors.New("a lock that is handed over does not say until when")
	case time.Until(handed.Expires) > o.ask.Lease:
		return errors.New("a lock is handed over for longer than was asked for")
	}
	return nil
}

// gets ends the case unless the turn comes.
func (o *owner) gets(when string, got <-chan turn) turn {
	select {
	case t := <-got:
		return t
	case <-time.After(turnLimit):
		o.p.fatalf("%s: the turn of %s does not come", when, o.ask.Holder.Path)
		return turn{}
	}
}

// served ends the case unless the waiter gets the lock, and gets it as it should be.
func (o *owner) served(when string, got <-chan turn, unclean bool) {
	t := o.gets(when, got)
	o.p.ok(fmt.Sprintf("%s, the turn of %s", when, o.ask.Holder.Path), t.err)
	if t.lock.Unclean != unclean {
		o.p.fatalf("%s: %s is told Unclean = %v, want %v", when, o.ask.Holder.Path, t.lock.Unclean, unclean)
	}
}

// waiting ends the case if one of the turns has come.
func (p *probe) waiting(when string, turns ...<-chan turn) {
	for _, got := range turns {
		if len(got) > 0 {
			p.fatalf("%s: a waiter got the lock that is another one's, or an error", when)
		}
	}
}
