package lease_test

import (
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/lease"
	"github.com/nonstick-go/nonstick/core/session"
)

// A holder, and a waiter who is served when the lock is released.
func Example() {
	var lock lease.State
	now := time.Now() // by the clock of the store
	there := func(session.LockToken) bool { return true }
	ask := func(token byte) session.LockRequest {
		return session.LockRequest{Token: session.LockToken{token}, Lease: 5 * time.Second, Wait: time.Minute}
	}

	first, _ := lock.Acquire(now, ask(1), there)
	second, _ := lock.Acquire(now, ask(2), there)
	fmt.Println(first.Held, second.Held)

	lock.Release(now, session.LockToken{1}, there)
	second, _ = lock.Acquire(now, ask(2), there)
	fmt.Println(second.Held, lock.Extend(now, session.LockToken{1}, time.Second))
	// Output:
	// true false
	// true session lock was lost to another request
}
