package session

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Session is one visitor's session in one request. Get it from Get, read and change it through typed Keys; what was
// changed is stored before the first byte of the response leaves. After that it can be read but not changed.
//
// It costs no I/O to change: one write follows at the commit, if anything differs. A session that does not exist yet
// is stored with its first value, never empty.
//
// A Session is safe for concurrent use by the goroutines of its request.
type Session struct {
	m   *Manager
	ctx context.Context

	reading, writing budget // of the load and of the commit

	mu      sync.Mutex
	mode    Mode
	id      ID     // of the stored record; zero if none is stored
	rec     Record // as stored when it was read
	changes changes
	reads   []string // keys that were looked at
	stale   []string // those whose values an upgrade has found changed since
	named   named    // by the request; more than one session if a cookie of our name was planted
	ended   ID       // the session that Destroy ended, to be removed by the commit
	endedAt Version  // what was read of it
	binding *binding // what Bind leaves to the commit
	unbound error    // why Bind was refused
	endedAs []byte   // the place of the ended session in an index
	err     error
	hold    *hold // the lock of an Exclusive session, until it is released
	waited  bool  // in vain for the lock, and went on with ReadOnly
	copied  bool  // from a replica, which may lag behind
	old     bool  // what is stored should be sealed anew
	renew   bool
	bot     bool // the verdict of Options.Bots
	judged  bool
	moved   bool   // it is to be bound to origin
	origin  []byte // of the request, for Options.Binding
	passing bool   // ends with the request: nothing is stored
	sealed  bool
	outcome outcome // of the commit
	result  error

	fewReads [4]string // spares reads its allocation
	oneNamed [1]ID     // and named
	few      [2]change // and changes
	entry    entry

	updating atomic.Bool // the function of an Update is running
}

// Format writes a fixed text, so that a visitor's data cannot reach a log by accident.
func (s *Session) Format(f fmt.State, _ rune) {
	text := "[session]"
	if s == nil {
		text = "<nil>"
	}
	_, _ = io.WriteString(f, text)
}

// lock is mu.Lock, but for the function of an Update that uses the session: that would wait for itself for ever.
func (s *Session) lock() {
	if s.mu.TryLock() {
		return
	}
	for end := time.Now().Add(updateLimit); s.updating.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			panic("session: the function of an Update uses its session: read what it needs before")
		}
	}
	s.mu.Lock()
}

// updateLimit is how long other goroutines of the request wait for the function of an Update.
const updateLimit = time.Second

// IsNew reports whether the session is not stored: the visitor came without one, or with one that has ended.
func (s *Session) IsNew() bool {
	s.lock()
	defer s.mu.Unlock()
	return s.id.IsZero()
}

// Created returns when the session was first stored; the zero time if it is new.
func (s *Session) Created() time.Time {
	s.lock()
	defer s.mu.Unlock()
	return s.rec.Created
}

// Deadline returns when the session ends unless it is used before; the zero time if it is new.
func (s *Session) Deadline() time.Time {
	s.lock()
	defer s.mu.Unlock()
	if s.id.IsZero() {
		return time.Time{}
	}
	return s.rec.Deadline()
}

// Expires returns the absolute end of the session, whatever its use; the zero time if it is new or has none.
func (s *Session) Expires() time.Time {
	s.lock()
	defer s.mu.Unlock()
	return s.rec.Expires
}

// Mode returns how the request has the session: the mode that it asked for, or ReadOnly if it waited in vain for a lock
// and that was allowed (see Mode.OrReadOnly).
func (s *Session) Mode() Mode {
	s.lock()
	defer s.mu.Unlock()
	return s.mode
}

func (s *Session) setMode(m Mode) {
	s.lock()
	defer s.mu.Unlock()
	s.mode = m
}

// Names returns the names of all keys that have a value, sorted.
func (s *Session) Names() []string {
	s.lock()
	defer s.mu.Unlock()
	var names []string
	for rest := s.rec.Payload; ; {
		name, _, next, ok := nextFrame(rest)
		if !ok {
			break
		}
		if s.changes.index(string(name)) < 0 && !isNote(string(name)) {
			names = append(names, string(name))
		}
		rest = next
	}
	for _, ch := range s.changes {
		if ch.present && !isNote(ch.name) {
			names = append(names, ch.name)
		}
	}
	slices.Sort(names)
	return names
}

// Renew gives the session a new id at the commit and makes the old one useless at once, keeping the data. Call it
// whenever the visitor's rights change, at login above all: an id that an attacker may have planted is worth
// nothing then (ASVS 7.2.4). Requests in flight with the old id cannot change the session any more. The absolute
// lifetime goes on. Errors are those of Key.Set.
func (s *Session) Renew() error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("renew", ""); err != nil {
		return err
	}
	s.renew = true
	return nil
}

// Destroy ends the session: the data is gone at once, the stored record and the cookie at the commit. No request that began before can bring
// it back. If the store cannot be reached the commit fails, and the visitor is told so instead of seeing a logout that
// did not happen. Values set afterwards start a new session with a new id. Errors are those of Key.Set.
func (s *Session) Destroy() error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("destroy", ""); err != nil {
		return err
	}
	if !s.id.IsZero() {
		s.ended, s.endedAt = s.id, s.rec.Version
		s.endedAs, _ = find(s.rec.Payload, noteSubject)
	}
	s.id, s.rec, s.changes, s.reads, s.stale, s.renew = ID{}, Record{}, nil, nil, nil, false
	s.binding, s.unbound = nil, nil
	return nil
}

// Release commits the session now instead of when the response starts, and gives the lock of an Exclusive session back:
// call it before slow work that needs no session, or before a stream. Afterwards the session can be read, not changed.
// The error is that of the commit; the visitor gets it as his response too.
func (s *Session) Release() error {
	s.lock()
	defer s.mu.Unlock()
	_, err := s.commit()
	return err
}

// LockLost returns a channel that is closed when another request may have taken the lock of this Exclusive session,
// because the lease could not be renewed: a handler that is about to do what cannot be undone should look. The commit
// decides: it fails with ErrLockLost if somebody has. The channel is nil, and never ready, if there is no lock.
func (s *Session) LockLost() <-chan struct{} {
	s.lock()
	defer s.mu.Unlock()
	if s.hold == nil {
		return nil
	}
	return s.hold.listen()
}

// read returns the encoded value of a key, which nobody may change.
func (s *Session) read(name string) ([]byte, bool) {
	if isNote(name) {
		return nil, false
	}
	s.lock()
	defer s.mu.Unlock()
	if i := s.changes.index(name); i >= 0 {
		return s.changes[i].value, s.changes[i].present
	}
	if !s.sealed && !slices.Contains(s.reads, name) {
		if s.reads == nil {
			s.reads = s.fewReads[:0]
		}
		s.reads = append(s.reads, name)
		s.fresh(name)
	}
	return find(s.rec.Payload, name)
}

// set records a blind change.
func (s *Session) set(op, name string, value []byte, present bool) error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable(op, name); err != nil {
		return err
	}
	if s.fresh(name) {
		if s.m.o.RejectStale {
			return s.failed(op, fmt.Errorf("%w: key %q", ErrConflict, name))
		}
		s.observe(Event{Kind: EventOverwritten, Key: name, id: s.id})
	}
	ch := s.change(name)
	ch.value, ch.present, ch.replay = value, present, nil
	return nil
}

// fresh notes that what the request knows of a key is not stale any more, and returns whether it was.
func (s *Session) fresh(name string) (was bool) {
	i := slices.Index(s.stale, name)
	if i >= 0 {
		s.stale = slices.Delete(s.stale, i, i+1)
	}
	return i >= 0
}

// update records a change that is computed from the old value. After a change of the same key in the same request it
// starts from the outcome of that, and is replayed together with it.
func (s *Session) update(op, name string, fn replay) error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable(op, name); err != nil {
		return err
	}
	i := s.changes.index(name)
	var old []byte
	var ok bool
	if i >= 0 {
		old, ok = s.changes[i].value, s.changes[i].present
	} else {
		old, ok = find(s.rec.Payload, name)
	}
	s.updating.Store(true)
	defer s.updating.Store(false)
	value, present, err := fn(old, ok)
	if err != nil {
		return s.failed(op, err)
	}
	ch := s.change(name)
	ch.value, ch.present = value, present
	switch first := ch.replay; {
	case i < 0:
		ch.replay, ch.read = fn, true // a Set behind it may depend on what fn saw
	case first != nil:
		ch.replay = func(old []byte, ok bool) ([]byte, bool, error) {
			old, ok, err := first(old, ok)
			if err != nil {
				return nil, false, err
			}
			return fn(old, ok)
		}
	} // after a blind change the outcome is fixed
	return nil
}

// change returns the change of a key, a new one if there is none yet.
func (s *Session) change(name string) *change {
	i := s.changes.index(name)
	if i < 0 {
		i = len(s.changes)
		if s.changes == nil {
			s.changes = s.few[:0]
		}
		s.changes = append(s.changes, change{name: name, read: slices.Contains(s.reads, name)})
	}
	return &s.changes[i]
}

// writable tells whether the session can still be changed.
func (s *Session) writable(op, name string) error {
	switch {
	case s.sealed:
		err := &Error{op, ErrCommitted}
		s.observe(Event{Kind: EventMisused, Op: op, Key: name, Err: err})
		return err
	case s.mode == ReadOnly:
		return s.failed(op, ErrReadOnly)
	default:
		return nil
	}
}

// fail keeps the first error of the program for the commit, in case that the caller ignores it.
func (s *Session) fail(op string, err error) error {
	s.lock()
	defer s.mu.Unlock()
	if late := s.writable(op, ""); late != nil {
		return late
	}
	return s.failed(op, err)
}

func (s *Session) failed(op string, err error) error {
	err = wrap(op, err)
	if s.err == nil {
		s.err = err
	}
	return err
}

// seal ends all changes. Names of keys may alias a request's buffer, which will be used again: none is kept.
func (s *Session) seal() { s.sealed, s.changes, s.reads, s.stale = true, nil, nil, nil }

// observe is called with and without the lock, so it reads nothing that changes.
func (s *Session) observe(e Event) { s.m.observe(s.ctx, e) }
