package fallback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Local is a store that a node has for itself, such as a filestore.Store in a folder of its own. DestroyVersion removes a
// session that still has a certain version. Else the error is a session.ConflictError, or session.ErrNotFound.
type Local interface {
	listed
	DestroyVersion(ctx context.Context, id session.ID, version session.Version) error
}

// listed is a store that tells what it has.
type listed interface {
	session.Handler
	session.Lister
}

// journal has the branches of which this node must tell the durable store. It is a store of the node's own, so a branch
// outlives the process.
type journal struct {
	local Local
	clock Clock

	report func(Event)

	mu   sync.Mutex
	open map[session.ID]opening // the sessions that have one, or may have
}

// opening tells whether what was read of a session in the local store still holds.
type opening struct {
	writes int    // under way
	turn   uint64 // counts their beginnings and ends
	since  time.Time
}

// entry is what the local store has of a session.
type entry struct {
	branch
	ok   bool            // there is a branch
	at   session.Version // of the record; zero if there is none
	turn uint64
}

// journalMost is how many branches there may be. While so many are open, no other session is changed without the durable store.
const journalMost = 100_000

var errJournalFull = fmt.Errorf("%w: too many sessions were changed without the durable store", session.ErrUnavailable)

// load finds the branches that are there already.
func (j *journal) load(ctx context.Context) error {
	for id, err := range j.local.List(ctx) {
		if err != nil {
			return err
		}
		if j.has(id) {
			continue
		}
		rec, err := j.local.Read(ctx, id)
		switch {
		case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrCorrupt): // it has expired, or is put aside
			continue
		case err != nil:
			return err
		}
		if b, err := parseBranch(rec); !isBranch(rec) || err == nil && b.letter {
			continue
		}
		j.mu.Lock()
		if _, known := j.open[id]; !known {
			if j.open[id] = (opening{since: rec.Created}); len(j.open) == 1 { // its last change; the first is not known
				j.report(Event{Kind: EventBranched})
			}
		}
		j.mu.Unlock()
	}
	return nil
}

// has reports whether a session may have a branch here.
func (j *journal) has(id session.ID) bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.open[id]
	return ok
}

// ids returns the sessions that may have one.
func (j *journal) ids() []session.ID {
	j.mu.Lock()
	defer j.mu.Unlock()
	return sorted(maps.Keys(j.open))
}

// sorted makes the order of a map's keys the same each time, for the simulation.
func sorted(ids iter.Seq[session.ID]) []session.ID {
	return slices.SortedFunc(ids, func(a, b session.ID) int { return bytes.Compare(a[:], b[:]) })
}

func (j *journal) len() int {
	if j == nil {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.open)
}

// oldest is since when the one has a branch that has had it for the longest; zero if there is none.
func (j *journal) oldest() time.Time {
	if j == nil {
		return time.Time{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return oldest(j.open, func(o opening) time.Time { return o.since })
}

func oldest[E any](open map[session.ID]E, since func(E) time.Time) (first time.Time) {
	for _, e := range open {
		if at := since(e); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// read returns what there is of a session.
func (j *journal) read(ctx context.Context, id session.ID) (entry, error) {
	if j == nil {
		return entry{}, nil
	}
	j.mu.Lock()
	o, ok := j.open[id]
	j.mu.Unlock()
	if !ok {
		return entry{}, nil
	}
	e := entry{turn: o.turn}
	rec, err := j.local.Read(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrCorrupt): // the store has put it aside
		j.close(id, o.turn)
		return e, nil
	case err != nil:
		return entry{}, err
	case !isBranch(rec):
		j.close(id, o.turn)
		e.at = rec.Version
		return e, nil
	}
	if e.branch, err = parseBranch(rec); e.letter {
		j.close(id, o.turn)
		return entry{}, nil
	}
	e.ok, e.at = err == nil, rec.Version
	return e, err
}

// write stores a branch in the place of what had a version. An end takes the place of everything; and what is in the stored
// branch already need not be stored again.
func (j *journal) write(ctx context.Context, id session.ID, b branch, at session.Version) error {
	if err := j.begin(id); err != nil {
		return err
	}
	defer j.end(id)
	rec := b.record(j.clock.Now())
	for range 100 {
		err := j.local.Write(ctx, id, rec, at)
		if !raced(err) {
			return err
		}
		stored, err := j.read(ctx, id)
		switch {
		case err != nil:
			return err
		case stored.ok && stored.ended, stored.ok && !b.ended && stored.has(b.rec.Version):
			return nil
		case stored.ok && !b.ended && !b.has(stored.rec.Version):
			return fmt.Errorf("%w: this node has another branch of the session", session.ErrUnavailable)
		}
		at = stored.at
	}
	return errBusy
}

// move stores what a branch goes on from, in its place, and returns that. A branch that has changed meanwhile is left alone; one
// that cannot be stored, such as on a full disk, stays as it was.
func (j *journal) move(ctx context.Context, id session.ID, b, moved branch) (branch, error) {
	if err := j.begin(id); err != nil {
		return b, err
	}
	defer j.end(id)
	err := j.local.Write(ctx, id, moved.record(j.clock.Now()), b.version())
	switch {
	case err == nil:
		return moved, nil
	case raced(err):
		return b, fmt.Errorf("%w: the session is changed at the same time", session.ErrUnavailable)
	}
	return b, nil
}

// begin notes that a branch is about to be written, and end that it was, or perhaps.
func (j *journal) begin(id session.ID) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	o, known := j.open[id]
	if !known && len(j.open) >= journalMost {
		return errJournalFull
	}
	if !known {
		o.since = j.clock.Now()
	}
	j.open[id] = opening{o.writes + 1, o.turn + 1, o.since}
	if !known && len(j.open) == 1 {
		j.report(Event{Kind: EventBranched})
	}
	return nil
}

func (j *journal) end(id session.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := j.open[id]
	j.open[id] = opening{o.writes - 1, o.turn + 1, o.since}
}

// settled forgets a branch of which the durable store knows, unless it has grown since it was read.
func (j *journal) settled(ctx context.Context, id session.ID, e entry) error {
	err := j.local.DestroyVersion(ctx, id, e.at)
	if unless(err, session.ErrNotFound) == nil {
		j.close(id, e.turn)
		return nil
	}
	return unless(err, session.ErrConflict)
}

// close notes that a session has no branch, if that was found at a turn and nothing has been written since.
func (j *journal) close(id session.ID, turn uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if o, known := j.open[id]; !known || o.writes > 0 || o.turn != turn {
		return
	}
	if delete(j.open, id); len(j.open) == 0 {
		j.report(Event{Kind: EventCarriedBack})
	}
}

// letters yields the records that a store keeps because they have lost something, opened if that is possible.
func letters(ctx context.Context, box listed, open func(session.ID, session.Record) ([]byte, error)) iter.Seq2[session.Record, error] {
	return func(yield func(session.Record, error) bool) {
		if box == nil {
			return
		}
		for id, err := range box.List(ctx) {
			var rec session.Record
			if err == nil {
				rec, err = box.Read(ctx, id)
			}
			if errors.Is(err, session.ErrNotFound) || err == nil && !isBranch(rec) {
				continue
			}
			var b branch
			if err == nil {
				b, err = parseBranch(rec)
			}
			if err == nil && b.letter {
				if payload, err := open(id, b.rec); err == nil {
					b.rec.Payload = payload
				}
			}
			if (err != nil || b.letter) && !yield(b.rec, err) {
				return
			}
		}
	}
}
