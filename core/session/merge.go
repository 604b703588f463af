package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// merge stores the changes, together with those of other requests that wait to change the same session.
func (s *Session) merge(ctx context.Context) error {
	own := &s.entry
	own.s, own.alone = s, s.hold != nil // what others change is not fenced by this lock
	if turn := s.m.gates.enter(ctx, own); turn != nil {
		s.lead(ctx, turn, own)
	}
	return own.result()
}

// lead writes own and those that can be written along. Whatever happens, nobody is left waiting, nor told that a change
// is stored which is not.
func (s *Session) lead(ctx context.Context, turn *gate, own *entry) {
	id, batch, written := s.id, s.m.gates.company(turn, own), false
	defer func() {
		for _, e := range batch {
			if !written { // the store panicked
				e.fail(fmt.Errorf("%w: the store panicked", ErrUnavailable))
			}
		}
		s.m.gates.leave(id, turn, batch[1:])
	}()
	begin := time.Now()
	s.m.writeTogether(ctx, turn, batch)
	turn.took, written = time.Since(begin), true
}

// result is the outcome of the entry, for its owner.
func (e *entry) result() error {
	if e.panicked != nil {
		panic(e.panicked) // where the function came from
	}
	return e.err
}

// writeTogether lays the changes of all entries over the newest record, one after the other, until the store takes the
// result. It sets the outcome of each.
func (m *Manager) writeTogether(ctx context.Context, turn *gate, entries []*entry) {
	first := entries[0].s
	base := turn.base(first.rec)
	for tries := 0; ; tries++ {
		next := base
		for _, e := range entries {
			e.lay(&next)
		}
		if sameSlice(next.Payload, base.Payload) {
			settle(entries, base, false, tries)
			if entries[0].err == nil {
				_ = first.touch(ctx)
			}
			return
		}
		m.stamp(&next)
		repeated, err := first.write(ctx, first.id, next, base.Version)
		if err == nil {
			turn.newest = next
			settle(entries, next, true, tries)
			return
		}
		if len(entries) > 1 && answered(err, ErrTooLarge) { // the store's own limit: find whose change it is
			for i := range entries {
				m.writeTogether(ctx, turn, entries[i:i+1])
			}
			return
		}
		if base, err = m.yield(ctx, entries, err, repeated, tries+1); err != nil {
			for _, e := range entries {
				e.fail(err)
			}
			return
		}
	}
}

// lay lays the entry's changes over rec. An entry that cannot be laid fails alone.
func (e *entry) lay(rec *Record) {
	if e.err != nil {
		return
	}
	defer func() { // the function of an Update may run on the goroutine of another request: it must not end that one
		if e.panicked = recover(); e.panicked != nil {
			e.s.updating.Store(false)
			e.err = errPanicked
		}
	}()
	if e.merged = e.merged || !bytes.Equal(rec.Payload, e.s.rec.Payload); e.merged {
		e.s.changes = e.s.changes.real(e.s.rec.Payload)
		e.overwrote = e.s.changes.overwritten(e.s.rec.Payload, rec.Payload)
		if e.overwrote != "" && e.s.m.o.RejectStale {
			e.err = fmt.Errorf("%w: key %q", ErrConflict, e.overwrote)
			return
		}
		e.s.updating.Store(true)
		e.err = e.s.changes.rebase(rec.Payload)
		e.s.updating.Store(false)
		if e.err != nil {
			return
		}
	}
	payload, changed := e.s.changes.splice(rec.Payload)
	if changed {
		if e.err = e.s.m.fits(payload); e.err == nil {
			rec.Payload = payload
		}
	}
}

var errPanicked = errors.New("the function of an Update panicked")

func (e *entry) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// settle tells the entries that rec is stored.
func settle(entries []*entry, rec Record, written bool, tries int) {
	for _, e := range entries {
		if e.err != nil {
			continue
		}
		e.s.rec, e.s.old, e.s.changes = rec, e.s.old && !written, nil
		if e.overwrote != "" {
			e.s.observe(Event{Kind: EventOverwritten, Key: e.overwrote, id: e.s.id})
		}
		if kind := EventSaved; written {
			if e.merged {
				kind = EventMerged
			}
			e.s.observe(Event{Kind: kind, Tries: tries, id: e.s.id})
		}
	}
}

// yield turns a refused write into the record to merge with.
func (m *Manager) yield(ctx context.Context, entries []*entry, refusal error, repeated bool, tries int) (Record, error) {
	if !answered(refusal, ErrConflict) {
		return Record{}, refusal
	}
	first := entries[0].s
	first.observe(Event{Kind: EventConflict, Tries: tries, id: first.id})
	for _, e := range entries {
		if repeated && e.s.changes.replays() {
			// The first call gave no answer. It may have been applied and then been built upon by somebody else: replaying
			// an Update could count it twice.
			e.fail(fmt.Errorf("%w: it is unknown whether the change was stored", ErrUnavailable))
		}
	}
	if ctx.Err() != nil {
		return Record{}, refusal
	}
	newest, err := m.newest(ctx, first.id, refusal)
	if err != nil {
		return Record{}, err
	}
	if newest.isAlias() {
		if newest, err = m.redirect(ctx, entries, newest); err != nil {
			return Record{}, err
		}
	}
	if !newest.Successor.IsZero() {
		return Record{}, ErrNotFound // renewed: the old id is dead
	}
	_, err = m.envelope.open(first.id, first.named.secret(first.id), &newest)
	return newest, err
}

// redirect makes the entries go on with what alias is an alias of: the session was renewed while their requests ran.
func (m *Manager) redirect(ctx context.Context, entries []*entry, alias Record) (Record, error) {
	first := entries[0].s
	if first.hold != nil { // it is a lock of the old id: no renewal passes it by, so it was lost
		return Record{}, ErrLockLost
	}
	id, rec, err := m.follow(ctx, first.id, alias)
	if err != nil {
		return Record{}, err
	}
	for _, e := range entries {
		e.s.id = id
	}
	return rec, nil
}

func sameSlice(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
