package memstore

import (
	"context"
	"maps"
	"time"

	"github.com/nonstick-go/nonstick/core/lease"
	"github.com/nonstick-go/nonstick/core/session"
)

// retry is when a waiter asks again that was not woken: the holder may have died, or the process may have been stopped.
const retry = 250 * time.Millisecond

// lock is the lock of a session. Nil is a free one.
type lock struct {
	lease.State
	wake map[session.LockToken]chan session.Lock // of those in the queue
}

// Acquire implements session.Locker.
func (s *Store) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return session.Lock{}, err
	}
	now := time.Now()
	e := sh.alive(id, now)
	if e == nil {
		sh.Unlock()
		return session.Lock{}, session.ErrNotFound
	}
	if e.lock == nil {
		e.lock = new(lock)
	}
	l := e.lock
	answer, err := l.Acquire(now, ask, l.call)
	answer.Record = e.rec
	if err == nil && !answer.Held && ask.Wait > 0 {
		answer.Wake, answer.Retry = l.listen(ask.Token), l.Retry(now, retry)
	}
	sh.Unlock()
	if err != nil || !answer.Held {
		answer.Record = session.Record{}
		return answer, err
	}
	answer.Record = owned(answer.Record)
	return answer, nil
}

// WriteRelease implements session.Locker.
func (s *Store) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	rec = owned(inMillis(rec))
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer sh.Unlock()
	e := sh.alive(id, time.Now())
	switch {
	case e == nil:
		return session.ErrNotFound
	case e.rec.Version != rec.Version && !e.lock.heldBy(token):
		return session.ErrLockLost
	}
	if err := s.write(sh, id, rec, prev); err != nil {
		return ownedConflict(err)
	}
	if e.lock.heldBy(token) { // else it was applied before, and a place in the queue is not given up
		e.release(token)
	}
	return nil
}

// Extend implements session.Locker.
func (s *Store) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer sh.Unlock()
	now := time.Now()
	switch e := sh.alive(id, now); {
	case e == nil:
		return session.ErrNotFound
	case e.lock == nil:
		return session.ErrLockLost
	default:
		return e.lock.Extend(now, token, lease)
	}
}

// Release implements session.Locker.
func (s *Store) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer sh.Unlock()
	if e := sh.entries[id]; e != nil {
		e.release(token)
	}
	return nil
}

func (e *entry) release(token session.LockToken) {
	if e.lock == nil {
		return
	}
	delete(e.lock.wake, token)
	e.lock.Release(time.Now(), token, e.lock.call)
	if e.lock.Free() {
		e.lock = nil
	}
}

func (l *lock) heldBy(token session.LockToken) bool { return l != nil && l.Token == token }

// listen returns the channel of a waiter.
func (l *lock) listen(token session.LockToken) <-chan session.Lock {
	if len(l.wake) > len(l.Queue) { // some have lost their place
		maps.DeleteFunc(l.wake, func(t session.LockToken, _ chan session.Lock) bool { return !l.Queued(t) })
	}
	wake := l.wake[token]
	if wake == nil {
		if l.wake == nil {
			l.wake = make(map[session.LockToken]chan session.Lock)
		}
		wake = make(chan session.Lock, 1)
		l.wake[token] = wake
	}
	return wake
}

// call wakes a waiter, who leaves the queue. All of them are goroutines of this process, so they are there.
func (l *lock) call(token session.LockToken) bool {
	if wake := l.wake[token]; wake != nil {
		wake <- session.Lock{} // it has room: nobody is called twice
		delete(l.wake, token)
	}
	return true
}

// end wakes all waiters of a session that has ended, so that they learn it.
func (l *lock) end() {
	if l != nil {
		for token := range l.wake {
			l.call(token)
		}
	}
}
