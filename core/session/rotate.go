package session

import (
	"context"
	"errors"
	"slices"
	"time"
)

// due reports whether the periodic renewal of the id is due.
func (s *Session) due() bool {
	interval := s.m.o.RenewInterval
	if interval <= 0 || s.mode == ReadOnly {
		return false
	}
	issued := s.rec.Created
	if note, ok := find(s.rec.Payload, noteIssued); ok {
		ms, _ := cutMillis(note)
		issued = time.UnixMilli(ms.Milliseconds())
	}
	return time.Since(issued) >= interval
}

// issue notes that the session gets an id now.
func (s *Session) issue() {
	s.note(noteIssued, appendMillis(nil, time.Duration(now().UnixMilli())*time.Millisecond))
}

// rotate gives the session a new id and makes the old one an alias of it. It does so with the lock, where the store has
// one: whoever has the session with Exclusive must not find that another request has the same session, by its new id,
// with Exclusive too. If somebody else has the lock, or if the renewal fails and there is nothing else to store, one of the
// next requests will do it. done is false if the commit has to go on without.
func (s *Session) rotate(ctx context.Context, out *outcome) (done bool, err error) {
	if !s.lockNow(ctx) {
		return false, nil
	}
	changed := len(s.changes) > 0
	s.issue()
	err = s.move(ctx, out, s.m.alias)
	if errors.Is(err, errRenewed) {
		s.changes = slices.DeleteFunc(s.changes, func(ch change) bool { return ch.name == noteIssued })
		return false, nil
	}
	if err != nil && !changed {
		s.observe(Event{Kind: EventFailed, Op: "renew", Err: withoutRecord(err), id: s.id})
		return true, nil
	}
	return true, err
}

// lockNow takes the lock of the session if nobody has it, and reports whether there is nobody else who could have it.
func (s *Session) lockNow(ctx context.Context) bool {
	m := s.m
	if s.hold != nil || m.locker == nil || m.o.Lock.Disabled {
		return true
	}
	me := Holder{Node: m.o.Lock.Node}
	if m.turns.enter(ctx, s.id, me, lockLimits{}) != nil {
		return false
	}
	h := &hold{m: m, ctx: s.ctx, id: s.id, token: newLockToken(), took: time.Now()}
	free := false
	defer func() {
		if !free {
			m.turns.leave(h.id)
		}
	}()
	lock, err := m.acquire(ctx, s.id, LockRequest{Token: h.token, Lease: m.o.Lock.Lease, Holder: me})
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return true
	case err != nil:
		m.later(h.release) // the store may have lent it
		return false
	case !lock.Held:
		return false
	}
	free = true // it is ours, until the commit has ended
	h.start(time.Time{})
	s.hold = h
	s.observe(Event{Kind: EventLocked, id: h.id})
	if lock.Record.isAlias() { // somebody was faster
		s.released()
		m.later(h.release)
		return false
	}
	return true
}
