package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// Locker is an optional capability of a Handler: to lend a session to one holder at a time, for requests that ask for it
// with Exclusive. Without it such a request fails with errors.ErrUnsupported.
//
// The lock gives order, the version gives safety: Write and Touch pay no heed to a lock, and a change that they store
// under a holder's feet is one that its WriteRelease meets as ErrConflict.
//
// A lock is lent for a lease, which is measured by the store's clock, or by the one that all its users share. A lease
// that has ended ends nothing by itself: the holder keeps the lock until somebody else asks for it, or waits for it.
//
// Those who wait stand in a queue, first come, first served, and the lock is handed to the first of them at the moment
// when it is released, so that nobody can overtake. A place in the queue is given up with Release, and lost if the waiter
// does not ask again in time, since it may have died. Lock and queue live and die with the session.
//
// The rules of Handler hold for these methods too; each is idempotent.
type Locker interface {
	// Acquire takes the lock of a session and reads the session, in one atomic step, or takes a place in the queue. A
	// waiter calls it again with the same token to learn whether its turn has come. Who holds the lock already gets it
	// again, with a fresh lease.
	//
	// A session that is absent, expired or destroyed is ErrNotFound, and nothing is stored for it. ErrLocked says that
	// the queue is full. After any error but these two the lock may have been taken: the caller must Release it.
	Acquire(ctx context.Context, id ID, ask LockRequest) (Lock, error)

	// WriteRelease is Write for the holder: it stores rec and releases the lock in one atomic step. It is ErrLockLost,
	// and stores nothing, when somebody else has taken the lock meanwhile, whether or not they still have it. After
	// ErrConflict and ErrTooLarge the lock is still held.
	WriteRelease(ctx context.Context, id ID, rec Record, prev Version, token LockToken) error

	// Extend gives the holder a fresh lease. It is ErrLockLost if the token does not hold the lock, and ErrNotFound if
	// the session has ended.
	Extend(ctx context.Context, id ID, token LockToken, lease time.Duration) error

	// Release gives the lock back, or a place in the queue. A token that has neither is no error.
	Release(ctx context.Context, id ID, token LockToken) error
}

// LockRequest is what somebody wants who calls Locker.Acquire.
type LockRequest struct {
	// Token identifies this acquisition, and no other one of any session on any node.
	Token LockToken
	// Lease is for how long the lock is lent.
	Lease time.Duration
	// Wait is for how long the caller is going to wait. Zero or less takes no place in the queue.
	Wait time.Duration
	// Holder is what others shall see of the caller while it has the lock. Since is not looked at.
	Holder Holder
}

// Lock is the answer to Locker.Acquire.
type Lock struct {
	// Held tells that the caller has the lock.
	Held bool
	// Record is the session, if the lock is held.
	Record Record
	// Unclean tells, if the lock is held, that it was not released: the lease of the one before ended. That one may have
	// died half way through its work, and if it lives it will be refused.
	Unclean bool
	// Holder is who has the lock if the caller does not, and who had it if Unclean is set.
	Holder Holder

	// Wake receives a value when a waiter's turn may have come. If that is held, it is the lock itself, handed over
	// without a question; else the waiter should ask again. Wake may be nil, and values may be lost.
	Wake <-chan Lock
	// Retry is after what time a waiter should ask again at the latest.
	Retry time.Duration
	// Expires is, for a lock that Wake hands over, until when its lease is certain: it began when the one before released
	// the lock, and is shorter than what was asked for. Who looks at it later than that must ask.
	Expires time.Time
}

// MaxLockQueue is how many may wait for one session in a store. A Manager puts one waiter at a time there, so it is the
// number of nodes that may wait for one session at once.
const MaxLockQueue = 64

// LockToken identifies one acquisition of a lock.
type LockToken [16]byte

// newLockToken draws 128 random bits.
func newLockToken() (t LockToken) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

// Holder is who holds the lock of a session, for the errors and logs of those who wait for it.
type Holder struct {
	Method string    // of its request
	Path   string    // of its request, without the query; at most 200 bytes
	Node   string    // Options.Lock.Node of its Manager
	Since  time.Time // when it took the lock, to about a millisecond
}

// String describes the holder in a line.
func (h Holder) String() string {
	if h == (Holder{}) {
		return "somebody"
	}
	text := "a request"
	if h.Method != "" {
		text = fmt.Sprintf("%.20q", h.Method)
		text = text[1 : len(text)-1]
	}
	if h.Path != "" {
		text += fmt.Sprintf(" %q", h.Path)
	}
	if h.Node != "" {
		text += fmt.Sprintf(" on node %q", h.Node)
	}
	if !h.Since.IsZero() {
		text += fmt.Sprintf(", %v ago", time.Since(h.Since).Round(time.Millisecond))
	}
	return text
}
