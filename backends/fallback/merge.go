package fallback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"

	"github.com/nonstick-go/nonstick/core/session"
)

// combine merges a branch with what the durable store has. The branch goes on from the outcome, where it is kept: if it grows
// before the durable store has that, or who has told it can say so, it is not merged with its own past as if that was new. combine
// returns that branch, and reports whether the outcome may be stored; else something has changed meanwhile.
//
// A change that has taken the place of a shared branch in the cache before the note that it is discarded is not to be discarded.
// Nor is one that somebody was told of because a node writes past the cache: who was told before the note had read that in the
// state, so it is there still, or the generation has ended.
func (e *engine) combine(ctx context.Context, v *view, id session.ID, b branch, row session.Record, shared bool) (_ branch, next session.Record, stands bool, err error) {
	next, lost, err := e.merge(ctx, id, b, row, shared)
	if err != nil || e.rules.noAgain {
		return b, next, true, err
	}
	moved := b.next(next)
	if !shared || !lost { // else it would have a root of which something is discarded
		moved.root = row
	}
	switch {
	case !shared && b.generation == "" && e.journal != nil:
		moved, err = e.journal.move(ctx, id, b, moved)
		return moved, next, true, err
	case !shared:
		return b, next, true, nil
	}
	generation := v.Generation
	now, err := e.look(ctx)
	if err != nil {
		return b, next, false, err
	}
	if *v = now; now.past() || now.Generation != generation {
		return b, next, false, nil
	}
	if next.Version == row.Version { // it has nothing new
		moved = b
	} else if err = e.tell(ctx, func() error {
		err := e.onFast(ctx, func() error { return e.fast.Write(ctx, now.key(id), moved.record(e.clock.Now()), b.version()) })
		if errors.Is(err, session.ErrTooLarge) {
			moved, err = b, nil
		}
		return err
	}); err != nil {
		return b, next, false, unless(unless(err, session.ErrConflict), session.ErrNotFound)
	}
	if *v = e.current(); v.past() || v.Generation != generation {
		return b, next, false, nil
	}
	again, is, err := e.branchOf(ctx, *v, id)
	return moved, next, err == nil && is && again.version() == moved.version(), nil
}

// noteDiscard leaves a note of what is about to be discarded: the changes from one version, without it, to another one. Whoever
// made them may still be about to tell the cache, and finds something newer there.
func (e *engine) noteDiscard(ctx context.Context, id session.ID, from, to session.Version) error {
	now := e.clock.Now()
	for range 100 {
		old, err := e.stored(ctx, discardID(id))
		if unless(err, session.ErrNotFound) != nil {
			return err
		}
		note := session.Record{Version: e.stamp(old.Version), Created: now, Seen: now, TTL: markLasts}
		note.Payload = slices.Concat(old.Payload, from[:], to[:])
		if len(note.Payload) > discardsMost {
			note.Payload = note.Payload[len(note.Payload)-discardsMost:]
		}
		err = e.onDurable(ctx, func() error { return e.durable.Write(ctx, discardID(id), note, old.Version) })
		if !raced(err) {
			return err
		}
	}
	return errBusy
}

// discarded reports whether a change was.
func (e *engine) discarded(ctx context.Context, id session.ID, change session.Version) (bool, error) {
	if e.journal == nil || change.IsZero() || change == lastVersion() {
		return false, nil
	}
	note, err := e.stored(ctx, discardID(id))
	if err != nil {
		return false, unless(err, session.ErrNotFound)
	}
	for pair := range slices.Chunk(note.Payload, 2*len(change)) {
		if bytes.Compare(pair[:len(change)], change[:]) < 0 && bytes.Compare(change[:], pair[len(change):]) <= 0 {
			return true, nil
		}
	}
	return false, nil
}

// discardsMost is how long the list in such a note may be.
const discardsMost = 64 * 2 * len(session.Version{})

func discardID(id session.ID) session.ID {
	return sha256.Sum256(append([]byte("nonstick: changes of this session were discarded: "), id[:]...))
}

// merge lays a branch over what the durable store has, which others have made of the same root. What only one of them has
// changed is taken over.
//
// Of what both have changed, it is the later one's; what is lost with that is kept as a letter. But if all nodes share the
// branch, in the cache, whoever has changed the durable store has not yet been able to say so there. So nobody has been told
// that it was stored, and it is discarded: they make their change again.
func (e *engine) merge(ctx context.Context, id session.ID, b branch, row session.Record, shared bool) (next session.Record, lost bool, err error) {
	e.conflicts.Add(1)
	later, earlier := b.rec, row
	if !row.Successor.IsZero() || !shared && b.rec.Successor.IsZero() && newer(row.Version, b.rec.Version) {
		later, earlier = row, b.rec
	}
	next = later
	next.Created = row.Created
	if row.Seen.After(next.Seen) {
		next.Seen = row.Seen
	}
	next.Version = e.stamp(newest(row.Version, b.rec.Version))
	changed, lost := false, true
	if later.Successor.IsZero() { // else the session has ended, or goes on under another id
		if changed, lost, err = e.mergeSealed(id, b.root, later, earlier, &next, shared); err != nil {
			return session.Record{}, false, err
		}
	}
	switch {
	case lost && shared:
		err = e.noteDiscard(ctx, id, b.root.Version, row.Version)
	case lost:
		err = e.letter(ctx, id, earlier)
	}
	if err != nil {
		return session.Record{}, false, err
	}
	if later.Version == row.Version && !changed {
		return row, lost, nil // it has nothing new
	}
	return next, lost, nil
}

// stamp makes a version that is later than another one, and like no other.
func (e *engine) stamp(after session.Version) session.Version {
	v := after
	for i := 7; i >= 0; i-- { // the clock is in the first eight bytes
		if v[i]++; v[i] != 0 {
			break
		}
	}
	_, _ = io.ReadFull(e.random, v[8:])
	return v
}

// letter keeps a record that has lost something, for somebody to look at.
func (e *engine) letter(ctx context.Context, of session.ID, lost session.Record) error {
	e.letters.Add(1)
	e.report(Event{Kind: EventDeadLetter})
	if e.letterbox == nil {
		return nil // another node has the branch too
	}
	id := session.ID(sha256.Sum256(append([]byte("letter"), lost.Version[:]...))) // of no token; the same if it is kept again
	if payload, err := e.open(of, lost); err == nil {                             // else nobody but its visitor can read it
		opened := lost
		opened.Payload = payload
		if payload, err = e.seal(id, opened); err == nil {
			lost.Payload = payload
		}
	}
	rec := branch{rec: lost, letter: true}.record(e.clock.Now())
	if err := e.letterbox.Write(ctx, id, rec, session.Version{}); err != nil {
		return unavailable(err)
	}
	return nil
}
