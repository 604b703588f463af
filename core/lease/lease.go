// Package lease is the lock of a session and the queue in front of it, as the rules of session.Locker want them, for
// authors of backends that keep both in a place of their own and change them one at a time: as pure functions, without
// clock, I/O and mutex.
//
// A backend keeps a State beside each session, or none while the lock is free, and changes it in steps that nobody can come
// between: under a mutex (memstore), under a file lock (filestore), or by a compare-and-set of what it has read
// (mysqlstore). now is always the clock that all users of the store share. Leases and places have a resolution of
// nanoseconds; a State encodes as JSON.
//
// # Errors
//
// Those of session.Locker: session.ErrLocked when the queue is full, session.ErrLockLost when a token does not hold the lock.
// That the session is alive, and what ErrNotFound is, only the backend knows.
//
// # Concurrency
//
// A State is not safe for concurrent use.
package lease

import (
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// handover is the most that a lock is lent to a waiter who was handed it and has not asked since: it may be dead.
	handover = time.Second
	// patience is for how long a place in the queue is kept for a waiter that does not ask.
	patience = 2 * time.Second
)

// nobody stands for a holder whose lease has ended, and who does not come back.
func nobody() session.LockToken { return session.LockToken{0: 0xff, 15: 0xff} }

// State is the lock of one session. The zero value is a free one. It encodes as JSON.
type State struct {
	Token   session.LockToken `json:"token"` // of the holder; zero if the lock is free
	Holder  session.Holder    `json:"holder"`
	Expires time.Time         `json:"expires"` // the end of the lease
	Taken   bool              `json:"taken"`   // the holder knows that it is one
	Unclean bool              `json:"unclean"`
	Broken  session.Holder    `json:"broken"` // whose lease ended, if Unclean
	Queue   []Waiter          `json:"queue,omitempty"`
}

// Waiter is somebody in the queue.
type Waiter struct {
	Token  session.LockToken `json:"token"`
	Holder session.Holder    `json:"holder"`
	Lease  time.Duration     `json:"lease"`
	End    time.Time         `json:"end"` // when it must have asked again
}

// Free reports whether there is nothing to keep.
func (s *State) Free() bool { return s.Token == session.LockToken{} && len(s.Queue) == 0 }

// Waits reports whether token is in the queue of a lock that can go to nobody at now, and for some time yet keeps its
// place: its question can be answered without changing anything.
func (s *State) Waits(now time.Time, token session.LockToken) bool {
	i := s.index(token)
	return i >= 0 && s.Token != token && now.Before(s.Expires) && s.Queue[i].End.Sub(now) > patience/2
}

// Acquire is session.Locker's Acquire at now, but for the record, Wake and Retry. wake tells a waiter that its turn has
// come, and returns false if nobody is there to hear it.
func (s *State) Acquire(now time.Time, ask session.LockRequest, wake func(session.LockToken) bool) (session.Lock, error) {
	if s.Token == ask.Token {
		s.Expires, s.Taken = now.Add(ask.Lease), true
		return session.Lock{Held: true, Unclean: s.Unclean, Holder: s.Broken}, nil
	}
	s.Queue = slices.DeleteFunc(s.Queue, func(w Waiter) bool { return w.Token != ask.Token && !now.Before(w.End) })
	mine := s.index(ask.Token)
	if !now.Before(s.Expires) {
		if mine == 0 || len(s.Queue) == 0 {
			s.Queue = s.Queue[min(len(s.Queue), 1):]
			s.lend(now, Waiter{ask.Token, ask.Holder, ask.Lease, now}, ask.Lease)
			s.Taken = true
			return session.Lock{Held: true, Unclean: s.Unclean, Holder: s.Broken}, nil
		}
		s.pass(now, wake)
		if s.Token == ask.Token || !now.Before(s.Expires) { // those before are not there
			return s.Acquire(now, ask, wake)
		}
		mine = s.index(ask.Token)
	}
	lock := session.Lock{Holder: s.Holder}
	entry := Waiter{ask.Token, ask.Holder, ask.Lease, now.Add(min(ask.Wait, patience))}
	switch {
	case ask.Wait <= 0:
	case mine >= 0:
		s.Queue[mine] = entry
	case len(s.Queue) >= session.MaxLockQueue:
		return lock, session.ErrLocked
	default:
		s.Queue = append(s.Queue, entry)
	}
	return lock, nil
}

// Extend is session.Locker's Extend.
func (s *State) Extend(now time.Time, token session.LockToken, lease time.Duration) error {
	if s.Token != token {
		return session.ErrLockLost
	}
	s.Expires, s.Taken = now.Add(lease), true
	return nil
}

// Release is session.Locker's Release; see Acquire for wake.
func (s *State) Release(now time.Time, token session.LockToken, wake func(session.LockToken) bool) {
	if s.Token != token {
		s.Queue = slices.DeleteFunc(s.Queue, func(w Waiter) bool { return w.Token == token })
		return
	}
	s.Token = session.LockToken{}
	if s.Unclean && !s.Taken { // it was not told of the dead one before it: the next one must be
		s.Token = nobody()
	}
	s.Expires = now
	s.pass(now, wake)
}

// pass hands the lock, which was released or whose lease has ended, to the first waiter who is there.
func (s *State) pass(now time.Time, wake func(session.LockToken) bool) {
	for len(s.Queue) > 0 {
		next := s.Queue[0]
		s.Queue = s.Queue[1:]
		if now.Before(next.End) && wake(next.Token) {
			s.lend(now, next, min(next.Lease, handover))
			return
		}
	}
	if s.Token == (session.LockToken{}) {
		*s = State{}
	}
}

// lend makes w the holder.
func (s *State) lend(now time.Time, w Waiter, lease time.Duration) {
	switch {
	case s.Token == session.LockToken{}:
		s.Unclean, s.Broken = false, session.Holder{}
	case s.Taken: // else it never worked, and what it was told about the one before goes on to w
		s.Unclean, s.Broken = true, s.Holder
	}
	s.Token, s.Holder, s.Expires, s.Taken = w.Token, w.Holder, now.Add(lease), false
	s.Holder.Since = now
}

// Queued reports whether token is in the queue.
func (s *State) Queued(token session.LockToken) bool { return s.index(token) >= 0 }

func (s *State) index(token session.LockToken) int {
	return slices.IndexFunc(s.Queue, func(w Waiter) bool { return w.Token == token })
}

// Retry is after what time a waiter should ask again that cannot be woken for certain.
func (s *State) Retry(now time.Time, most time.Duration) time.Duration {
	return max(min(s.Expires.Sub(now), most), 0) + time.Millisecond
}
