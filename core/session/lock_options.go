package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// LockOptions are the limits of sessions that are asked for with Exclusive. The zero value has sensible ones. Setting any
// field makes New refuse a store that cannot lock.
type LockOptions struct {
	// Required says that the application uses Exclusive, so that New refuses a store that cannot lock. Without it, and
	// with no other field set, a request that asks for Exclusive fails there with errors.ErrUnsupported.
	Required bool
	// Disabled makes Exclusive the same as Optimistic, for an emergency.
	Disabled bool

	// Lease is for how long the store lends a lock. It is renewed at a third of it while the handler runs, so it bounds
	// how long others wait for a process that died with a lock. Default 5 s, at least 100 ms.
	Lease time.Duration
	// MaxHold is when the renewals end, so that a handler that never returns does not keep its session for ever. A handler
	// that takes longer has the lock until somebody else wants it. Default 5 minutes; negative: no limit.
	MaxHold time.Duration
	// MaxWait is how long a request waits for a lock. Default 5 s; negative: it does not.
	MaxWait time.Duration
	// MaxWaiters is how many requests of this node may wait for one session; others fail at once. While the first of them
	// asks the store and does not know yet that it has to wait, it is not counted, so one more may come in. Default 32;
	// negative: none.
	MaxWaiters int
	// OrReadOnly gives a request that has waited for MaxWait the session with ReadOnly, instead of ErrLocked.
	OrReadOnly bool
	// Node is the name of this node in Holder. Default: the name of the host.
	Node string
}

func (o LockOptions) withDefaults() LockOptions {
	setDefault(&o.Lease, 5*time.Second)
	setDefault(&o.MaxHold, 5*time.Minute)
	setDefault(&o.MaxWait, 5*time.Second)
	if o.MaxWaiters == 0 {
		o.MaxWaiters = 32
	}
	if o.Node == "" {
		o.Node, _ = os.Hostname() // unknown is as good as a wrong one
	}
	o.Node = printable(o.Node, maxNode)
	return o
}

func (o *LockOptions) check() error {
	if o.Lease < 100*time.Millisecond {
		return fmt.Errorf("Lock.Lease: %v must be at least 100 ms, else a pause of the process loses the lock", o.Lease)
	}
	return nil
}

// checkStore tells whether store can do what the options, before their defaults, ask for. A wrapper that forwards all
// capabilities says only when asked that what is below has none; it does so without I/O, as the context has ended.
func (o LockOptions) checkStore(store Handler) error {
	if o == (LockOptions{}) || o.Disabled {
		return nil
	}
	l, ok := store.(Locker)
	if ok {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := l.Acquire(ctx, ID{}, LockRequest{})
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		return fmt.Errorf("Lock: %w", errNoLocker)
	}
	return nil
}

var errNoLocker = fmt.Errorf("the store cannot lock sessions, so Exclusive cannot be had: use a store that is a session.Locker: %w",
	errors.ErrUnsupported)

const (
	maxNode   = 100 // bytes
	maxPath   = 200
	maxMethod = 20
)

// holder is how others see x while it has a lock.
func (x *Exchange) holder() Holder {
	h := Holder{Node: x.m.o.Lock.Node}
	if r, ok := x.in.(RequestLine); ok {
		method, path := r.RequestLine()
		h.Method, h.Path = printable(method, maxMethod), printable(path, maxPath)
	}
	return h
}

// printable returns a beginning of text that is valid UTF-8 of at most n bytes.
func printable(text string, n int) string { return strings.ToValidUTF8(text[:min(len(text), n)], "") }
