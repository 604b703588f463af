package session

import "time"

// Mode is how a request wants to use its session.
type Mode uint64

const (
	// Optimistic, the default, lets the request read and change the session without waiting for anybody. Its commit
	// lays the changed keys over whatever other requests have stored meanwhile.
	Optimistic Mode = iota
	// ReadOnly is for requests that only look: changing the session is ErrReadOnly, and the commit writes nothing. It still
	// keeps the session alive. A store with replicas may answer from one, a little later than others have written.
	ReadOnly
	// Exclusive is for code that must not run twice at once for one session, such as a payment or an import: the request
	// waits until it is the only one, on all nodes, that has the session with Exclusive. Those who wait are served in
	// order, within the limits of Options.Lock, of MaxWait and of MaxWaiters; beyond them Get fails with ErrLocked. The
	// session is free again after the commit, or earlier with Session.Release.
	//
	// Requests that do not ask for Exclusive do not wait, and what they change is merged as ever. A session that is not
	// stored yet has nothing to lock: nobody else can know it.
	Exclusive
)

// The bits of a Mode: kind, orReadOnly, and above them the limits, each plus one so that zero says that none is set.
const (
	modeKind       = 3
	modeOrReadOnly = 1 << 2

	waitersShift = 8
	waitersMax   = 1<<16 - 2
	waitShift    = 24
	waitMax      = (1<<40 - 2) * time.Microsecond
)

// MaxWait returns Exclusive with a limit of its own instead of Options.Lock.MaxWait. It is rounded to microseconds; zero
// means not to wait at all.
//
//	s, err := session.Get(ctx, session.Exclusive.MaxWait(time.Second))
func (m Mode) MaxWait(d time.Duration) Mode {
	wait := Mode(min(max(d, 0), waitMax)/time.Microsecond) + 1
	return m&(1<<waitShift-1) | wait<<waitShift
}

// MaxWaiters returns Exclusive with a limit of its own instead of Options.Lock.MaxWaiters: if that many requests of this
// node wait for the session already, Get fails at once. Zero means not to wait at all.
func (m Mode) MaxWaiters(n int) Mode {
	waiters := Mode(min(max(n, 0), waitersMax)) + 1
	return m&^(1<<waitShift-1<<waitersShift) | waiters<<waitersShift
}

// OrReadOnly returns Exclusive with another end of the wait than an error: when it has waited in vain the request gets
// the session with ReadOnly, which Session.Mode tells.
func (m Mode) OrReadOnly() Mode { return m | modeOrReadOnly }

// String returns the name of the mode, without its limits.
func (m Mode) String() string {
	switch m.kind() {
	case Optimistic:
		return "optimistic"
	case ReadOnly:
		return "read-only"
	case Exclusive:
		return "exclusive"
	}
	return ""
}

func (m Mode) kind() Mode { return m & modeKind }

// lockLimits are how long and in what company a request waits.
type lockLimits struct {
	wait       time.Duration
	waiters    int
	orReadOnly bool
}

// limits are those of the mode, or else those of the options.
func (o *LockOptions) limits(m Mode) lockLimits {
	l := lockLimits{max(o.MaxWait, 0), max(o.MaxWaiters, 0), o.OrReadOnly || m&modeOrReadOnly != 0}
	if wait := m >> waitShift; wait > 0 {
		l.wait = time.Duration(wait-1) * time.Microsecond
	}
	if waiters := m >> waitersShift & (1<<(waitShift-waitersShift) - 1); waiters > 0 {
		l.waiters = int(waiters - 1)
	}
	return l
}
