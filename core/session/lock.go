package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// seize waits until id is this session's alone and returns what is stored. It waits in this process first, so that one
// request of a node at a time asks the store.
func (s *Session) seize(id ID, me Holder, l lockLimits) (rec Record, h *hold, err error) {
	m, begin := s.m, time.Now()
	if m.locker == nil {
		return rec, nil, errNoLocker
	}
	err = m.turns.enter(s.ctx, id, me, l)
	var lock Lock
	settled := false // the turn is passed on, or the caller has the lock
	if err == nil {
		h = &hold{m: m, ctx: s.ctx, id: id, token: newLockToken()}
		defer func() {
			if !settled { // the store or the Observer panicked
				h.abandon()
			}
		}()
		if lock, err = s.ask(h, me, begin.Add(l.wait), l); err != nil {
			settled = true
			m.turns.leave(id)
		}
	}
	if locked, ok := errors.AsType[*LockedError](err); ok {
		locked.Waited = time.Since(begin)
		if !errors.Is(err, context.Canceled) { // a visitor who hung up was not refused
			s.observe(Event{Kind: EventLockRefused, Err: err, Wait: locked.Waited, id: id})
		}
	}
	if err != nil {
		return Record{}, nil, err
	}
	h.start(lock.Expires)
	if lock.Unclean {
		s.observe(Event{Kind: EventLockBroken, Holder: lock.Holder, id: id})
	}
	s.observe(Event{Kind: EventLocked, Wait: h.took.Sub(begin), id: id})
	settled = true
	return lock.Record, h, nil
}

// ask asks the store until it has lent the lock.
func (s *Session) ask(h *hold, me Holder, end time.Time, l lockLimits) (Lock, error) {
	m := s.m
	ask := LockRequest{Token: h.token, Lease: m.o.Lock.Lease, Holder: me}
	for asked := false; ; asked = true {
		if l.waiters > 0 {
			ask.Wait = time.Until(end)
		}
		ctx := s.reading.start(s.ctx, m, m.o.ReadTimeout, false)
		h.took = time.Now() // before the call: the lease may begin as early as that
		lock, err := m.acquire(ctx, h.id, ask)
		ctx.release()
		switch {
		case answered(err, ErrNotFound):
			return Lock{}, err
		case answered(err, ErrLocked):
			return Lock{}, &LockedError{Holder: lock.Holder, Err: errors.New("too many nodes wait for it already")}
		case err != nil: // the store may have lent it
			m.later(h.release)
			return Lock{}, err
		}
		if !lock.Held {
			m.turns.know(h.id, lock.Holder, true)
			handed, cause := pause(s.ctx, lock.Wake, min(max(lock.Retry, time.Millisecond), ask.Wait))
			if cause != nil {
				if asked || ask.Wait > 0 { // it has a place in the queue
					ctx := s.reading.start(s.ctx, m, m.o.ReadTimeout, true)
					_ = h.release(ctx)
					ctx.release()
				}
				return Lock{}, &LockedError{Holder: lock.Holder, Err: cause}
			}
			h.took = time.Now()
			lock = handed
		}
		if lock.Held && (lock.Expires.IsZero() || h.took.Before(lock.Expires)) {
			me.Since = h.took
			m.turns.know(h.id, me, false)
			return lock, nil
		}
	}
}

// pause waits until it is time to ask the store again, or until the lock is handed over. The error is that of ctx, or
// errWaited if there is no time left.
func pause(ctx context.Context, wake <-chan Lock, d time.Duration) (handed Lock, cause error) {
	if d <= 0 {
		return Lock{}, errWaited
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case handed = <-wake:
	case <-timer.C:
	case <-ctx.Done():
		return Lock{}, ctx.Err()
	}
	return handed, nil
}

// upgrade locks a session that the request has already, and reads it again. Changes that were made before stay, laid over
// what is stored now.
func (s *Session) upgrade(mode Mode, me Holder) error {
	s.lock()
	id, held, sealed, waited := s.id, s.hold != nil, s.sealed, s.waited
	pending := len(s.changes) > 0 || s.renew || !s.ended.IsZero()
	s.mu.Unlock()
	limits := s.m.o.Lock.limits(mode)
	switch {
	case sealed:
		return ErrCommitted
	case held || waited && limits.orReadOnly:
		return nil
	case id.IsZero():
		s.setMode(Exclusive)
		return nil
	}
	live, rec, h, err := s.seizeThrough(id, me, limits)
	if limits.orReadOnly && !pending && errors.Is(err, errWaited) {
		s.lock()
		defer s.mu.Unlock()
		s.mode, s.waited = ReadOnly, true
		return nil
	}
	if err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	s.hold = h
	err = s.adopt(s.id, rec)
	if s.sealed || s.id != id { // the commit did not wait, or another goroutine of the request has ended the session
		err = ErrCommitted
	}
	if err != nil {
		s.drop()
		return err
	}
	s.id, s.mode = live, Exclusive
	return nil
}

// refresh reads a session anew that came from a replica, for somebody who does not only look.
func (s *Session) refresh() error {
	s.lock()
	id, copied := s.id, s.copied && s.ended.IsZero()
	s.mu.Unlock()
	if !copied || id.IsZero() {
		return nil
	}
	ctx := s.reading.start(s.ctx, s.m, s.m.o.ReadTimeout, false)
	defer ctx.release()
	live, rec, err := s.m.readThrough(ctx, id)
	if err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	if s.sealed || s.id != id {
		return ErrCommitted
	}
	if err := s.adopt(live, rec); err != nil {
		return err
	}
	s.id, s.copied = live, false
	return nil
}

// adopt lays the changes over rec, which may be newer than what they were made for.
func (s *Session) adopt(id ID, rec Record) error {
	if !rec.Successor.IsZero() || !time.Now().Before(rec.Deadline()) {
		return ErrNotFound
	}
	old, err := s.m.envelope.open(id, s.named.secret(id), &rec)
	if err != nil {
		return err
	}
	if rec.Version != s.rec.Version && len(s.changes) > 0 {
		s.changes = s.changes.real(s.rec.Payload)
		if key := s.changes.overwritten(s.rec.Payload, rec.Payload); key != "" {
			if s.m.o.RejectStale {
				return fmt.Errorf("%w: key %q", ErrConflict, key)
			}
			s.observe(Event{Kind: EventOverwritten, Key: key, id: s.id})
		}
		if err := s.rebase(rec.Payload); err != nil {
			return err
		}
	}
	s.age(rec.Payload)
	s.rec, s.old = rec, old
	return nil
}

// rebase lays the changes over another payload. The functions of Updates among them run again.
func (s *Session) rebase(payload []byte) error {
	s.updating.Store(true)
	defer s.updating.Store(false)
	return s.changes.rebase(payload)
}

// age notes which of the keys that the request has looked at have another value in the payload that takes the place of the
// one it has seen: to set them is to overwrite what another request has stored.
func (s *Session) age(payload []byte) {
	for _, name := range s.reads {
		old, had := find(s.rec.Payload, name)
		value, has := find(payload, name)
		if s.changes.index(name) < 0 && (had != has || !bytes.Equal(old, value)) && !slices.Contains(s.stale, name) {
			s.stale = append(s.stale, name)
		}
	}
	s.reads = nil
}
