package session

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// atOnce bounds the store calls of one operation on many sessions.
const atOnce = 8

// index reads the index of a subject.
func (m *Manager) index(ctx context.Context, subject ID) (*subjectIndex, error) {
	rec, err := m.read(ctx, subject)
	if answered(err, ErrNotFound) || err == nil && !time.Now().Before(rec.Deadline()) {
		return new(subjectIndex), nil
	}
	if err != nil {
		return nil, err
	}
	return m.openIndex(subject, rec)
}

// openIndex decodes an index as it is stored: sealed like sessions, but never with a token.
func (m *Manager) openIndex(subject ID, rec Record) (*subjectIndex, error) {
	if _, err := m.envelope.open(subject, nil, &rec); err != nil {
		return nil, err
	}
	return parseIndex(rec)
}

// amend changes the index of a subject: edit is applied to what is stored until the store takes the outcome, so it may be
// called several times. known, if it is not nil, is what was read before. Those of one process change it one after the other.
func (m *Manager) amend(ctx context.Context, subject ID, known *subjectIndex, edit func(*subjectIndex) error) (*subjectIndex, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.CommitTimeout)
	defer cancel()
	end, _ := ctx.Deadline()
	if err := m.turns.enter(ctx, subject, Holder{}, lockLimits{wait: time.Until(end), waiters: waitersMax}); err != nil {
		return nil, errSubjectBusy()
	}
	defer m.turns.leave(subject)
	x := known
	if x == nil {
		var err error
		if x, err = m.index(ctx, subject); err != nil {
			return nil, err
		}
	}
	for tries := 0; ; tries++ {
		done, err := m.tryAmend(ctx, subject, x, edit)
		if done || err != nil {
			return x, err
		}
		// Somebody else was faster. Those of several nodes do not run in step: each waits a little, and not as long as the others.
		if !sleep(ctx, rand.N(time.Millisecond<<min(tries, 6))) {
			return nil, errSubjectBusy()
		}
	}
}

func errSubjectBusy() error {
	return fmt.Errorf("%w: too many requests are changing the sessions of one subject at once", ErrUnavailable)
}

// tryAmend makes one try. If it is refused, *x is what refused it.
func (m *Manager) tryAmend(ctx context.Context, subject ID, x *subjectIndex, edit func(*subjectIndex) error) (done bool, err error) {
	before, err := x.payload()
	if err != nil {
		return false, err
	}
	if err := edit(x); err != nil {
		return false, err
	}
	rec := Record{Created: now(), Seen: now()}
	if rec.Payload, err = x.payload(); err != nil || bytes.Equal(before, rec.Payload) {
		return true, err
	}
	rec.TTL = x.life(rec.Seen)
	rec.Version = m.versions.next(rec.Seen, x.version)
	_, err = m.write(ctx, subject, nil, rec, x.version)
	switch {
	case err == nil:
		x.version = rec.Version
		return true, nil
	case answered(err, ErrNotFound): // it has expired meanwhile
		*x = subjectIndex{}
		return false, nil
	case !answered(err, ErrConflict) && !answered(err, ErrExists):
		return false, err
	}
	newest, err := m.newest(ctx, subject, err)
	if answered(err, ErrNotFound) {
		*x = subjectIndex{}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next, err := m.openIndex(subject, newest)
	if err == nil {
		*x = *next
	}
	return false, err
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// findSessions reads the sessions of entries. Of one that has ended there is no record.
func (m *Manager) findSessions(ctx context.Context, entries []*indexed) (map[*indexed]Record, error) {
	era, err := m.era(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	found := make(map[*indexed]Record)
	err = each(entries, func(e *indexed) error {
		rec, ok, err := m.findSession(ctx, e)
		if err == nil && ok && e.Era >= era {
			mu.Lock()
			defer mu.Unlock()
			found[e] = rec
		}
		return err
	})
	return found, err
}

func (m *Manager) findSession(ctx context.Context, e *indexed) (rec Record, ok bool, err error) {
	for i := len(e.ids) - 1; i >= 0; i-- { // the newest is the likeliest
		ctx, cancel := context.WithTimeout(ctx, m.o.ReadTimeout)
		rec, err := m.read(ctx, e.ids[i].id)
		cancel()
		switch {
		case err == nil && rec.Successor.IsZero() && time.Now().Before(rec.Deadline()):
			return rec, true, nil
		case err == nil, answered(err, ErrNotFound), answered(err, ErrCorrupt):
		default:
			return Record{}, false, err
		}
	}
	return Record{}, false, nil
}

// heal removes the sessions that have ended from an index that was read; it is stored with the next change of it.
func (m *Manager) heal(ctx context.Context, x *subjectIndex) error {
	living := x.living()
	found, err := m.findSessions(ctx, living)
	if err != nil {
		return err
	}
	for _, e := range living {
		if _, ok := found[e]; !ok {
			x.remove(e.handle)
		}
	}
	return nil
}

// finish ends the sessions that are marked as ended in an index, by whomever, and removes them from it.
func (m *Manager) finish(ctx context.Context, subject ID, x *subjectIndex) error {
	dying := x.dying()
	if len(dying) == 0 {
		return nil
	}
	err := each(dying, func(e *indexed) error {
		for _, id := range e.ids {
			if err := m.endUnread(ctx, id.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err // the marks stay: who comes next goes on
	}
	handles := make([]string, len(dying))
	for i, e := range dying {
		handles[i] = e.handle
	}
	// They have ended. If this fails, who comes next ends them once more, which costs little.
	_, _ = m.amend(ctx, subject, x, func(x *subjectIndex) error { x.remove(handles...); return nil })
	return nil
}

// endUnread ends a session of which the ID alone is known, and whatever a renewal has made of it.
func (m *Manager) endUnread(ctx context.Context, id ID) error {
	for range maxIDs {
		read, cancel := context.WithTimeout(ctx, m.o.ReadTimeout)
		rec, err := m.read(read, id)
		cancel()
		switch {
		case answered(err, ErrNotFound):
			return nil
		case answered(err, ErrCorrupt):
			return m.remove(ctx, id)
		case err != nil:
			return err
		case rec.Successor.IsZero():
			if err = m.end(ctx, id, rec.Version, nil); err == nil {
				m.observe(ctx, Event{Kind: EventDestroyed, id: id})
			}
			return err
		case rec.Successor == id:
			return nil
		}
		id = rec.Successor
	}
	return nil
}

// each calls f for all entries, a few at once, and stops at the first error, which it returns.
func each(entries []*indexed, f func(*indexed) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next := 0
	take := func() *indexed {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || next == len(entries) {
			return nil
		}
		next++
		return entries[next-1]
	}
	for range min(atOnce, len(entries)) {
		wg.Go(func() {
			for e := take(); e != nil; e = take() {
				if err := f(e); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}
