package fallback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nonstick-go/nonstick/core/session"
)

// When the durable store is back it is told of every branch: by the node that has it in its local store, and by whoever
// meets it in the cache before.
//
// If the durable store still has a version that is in the branch, the end of the branch takes its place. Else others have gone
// on without knowing of the branch, and the two are merged: see merge.

// settleOwn tells the durable store of the branch that this node has, and forgets it.
func (e *engine) settleOwn(ctx context.Context, id session.ID) error {
	own, err := e.journal.read(ctx, id)
	if err != nil || !own.ok {
		return err
	}
	b := own.branch
	v, err := e.latest(ctx)
	if err != nil {
		return err
	}
	if same := b.generation == v.Generation; !b.ended && (same && e.fastHealth.up() || !same && e.usable(v)) {
		cur, err := e.cached(ctx, v, id)
		switch {
		case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrRestarted):
		case err != nil:
			return err
		case isBranch(cur):
			shared, err := parseBranch(cur)
			if err != nil {
				return err
			}
			if same { // all nodes have gone on with the same one
				b = shared
			} else if _, err := e.settle(ctx, v, id, shared); unless(err, session.ErrNotFound) != nil {
				return err // before ours, which may go on from it: it wins over what it meets
			}
		case same: // the durable store has been told of it
			return e.journal.settled(ctx, id, own)
		}
	}
	next, err := e.settle(ctx, v, id, b)
	if unless(err, session.ErrNotFound) != nil {
		return err
	}
	if moved, err := e.journal.read(ctx, id); err == nil && moved.ok && moved.rec.Version == next.Version && !next.Version.IsZero() {
		own = moved
	}
	return e.journal.settled(ctx, id, own)
}

// settle tells the durable store of a branch, and returns what that has then.
func (e *engine) settle(ctx context.Context, v view, id session.ID, b branch) (session.Record, error) {
	now := e.clock.Now()
	before := b.rec.Version // what the cache has, if it has the branch
	for try := range 100 {
		newest, over := b.reveal(now)
		if b.ended {
			return session.Record{}, or(e.destroy(ctx, id), session.ErrNotFound)
		}
		row, err := e.rowUnder(ctx, id, b, try == 0 && over == nil)
		next := newest
		switch {
		case errors.Is(err, session.ErrNotFound) && (!b.root.Version.IsZero() || over != nil):
			return session.Record{}, or(e.publish(ctx, v, id, mark(lastVersion(), now, markLasts), before), session.ErrNotFound)
		case errors.Is(err, session.ErrNotFound): // the branch began with the session
			ended, err := e.hasEnded(ctx, id)
			if ended || err != nil {
				return session.Record{}, or(err, session.ErrNotFound)
			}
		case err != nil:
			return session.Record{}, err
		case over != nil && row.Version != b.rec.Version && (b.has(row.Version) || !b.rec.Successor.IsZero()): // it has ended in the branch
			return session.Record{}, or(e.destroy(ctx, id), session.ErrNotFound)
		case row.Version == b.rec.Version, over != nil:
			next = row
		case !b.has(row.Version):
			shared := b.generation == v.Generation && !v.past()
			if shared { // b may have grown since it was read, or the durable store been told of it
				switch again, is, err := e.branchOf(ctx, v, id); {
				case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrRestarted):
					shared = false
				case err != nil:
					return session.Record{}, err
				case !is: // the durable store has been told of it since
					return e.stored(ctx, id)
				case again.version() != b.version() && !e.rules.noAgain:
					b, before = again, again.rec.Version
					continue
				}
			}
			var stands bool
			if b, next, stands, err = e.combine(ctx, &v, id, b, row, shared); err != nil {
				return session.Record{}, err
			}
			if !stands {
				continue
			}
		}
		if next.Version != row.Version {
			err = e.store(ctx, id, next, row.Version)
		}
		switch {
		case err == nil:
			return next, e.publish(ctx, v, id, next, before)
		case !raced(err):
			return session.Record{}, err
		}
	}
	return session.Record{}, errBusy
}

// rowUnder returns what the durable store has of a session that has a branch. It may be guessed: nearly always nobody else has
// changed it.
func (e *engine) rowUnder(ctx context.Context, id session.ID, b branch, guess bool) (session.Record, error) {
	if guess && !b.root.Version.IsZero() && b.root.Version != b.rec.Version {
		return b.root, nil
	}
	return e.stored(ctx, id)
}

// A session that began in a branch may be in the durable store, have ended there, and be gone, when a node comes with a branch of
// it. A note that it has ended, kept as long as there may be such a branch, tells that from a session which nobody has
// carried back yet. Without local stores there are no branches, and no notes.

// noteEnd leaves the note before a session ends.
func (e *engine) noteEnd(ctx context.Context, id session.ID) error {
	if e.journal == nil || e.rules.noNote {
		return nil
	}
	now := e.clock.Now()
	note := session.Record{Version: e.stamp(session.Version{}), Created: now, Seen: now, TTL: awayLasts}
	err := e.onDurable(ctx, func() error { return e.durable.Write(ctx, noteID(id), note, session.Version{}) })
	return unless(err, session.ErrExists)
}

// hasEnded reports whether there is one.
func (e *engine) hasEnded(ctx context.Context, id session.ID) (bool, error) {
	_, err := e.stored(ctx, noteID(id))
	return err == nil, unless(err, session.ErrNotFound)
}

// branchOf returns the branch that the cache has, if it has one.
func (e *engine) branchOf(ctx context.Context, v view, id session.ID) (b branch, is bool, err error) {
	rec, err := e.cached(ctx, v, id)
	if err != nil || !isBranch(rec) {
		return branch{}, false, err
	}
	b, err = parseBranch(rec)
	return b, err == nil, err
}

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

// noteID is the hash of no token.
func noteID(id session.ID) session.ID {
	return sha256.Sum256(append([]byte("nonstick: this session has ended: "), id[:]...))
}

// or returns err, or what is to be returned if there is none.
func or(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// unless returns err, unless it is an expected one.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
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

// drain settles the branches that this node has, several at a time, as long as the durable store answers.
func (e *engine) drain(ctx context.Context, workers int) {
	if !e.durableHealth.up() || e.journal.len() == 0 {
		return
	}
	_ = each(ctx, workers, e.journal.ids(), func(id session.ID) error { return e.settleOwn(ctx, id) }) // else the next time
}

// each does something with several ids at a time, until ctx ends. It returns the last error.
func each(ctx context.Context, workers int, ids []session.ID, do func(id session.ID) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	work := func() {
		for {
			n := int(next.Add(1))
			if n > len(ids) {
				return
			}
			if err := or(ctx.Err(), do(ids[n-1])); err != nil {
				failed.Store(&err)
			}
		}
	}
	var others sync.WaitGroup
	for range min(workers, len(ids)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
