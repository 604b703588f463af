package fallback

import (
	"context"
	"errors"
	"fmt"

	"github.com/nonstick-go/nonstick/core/session"
)

// While the durable store is away, the node's local store takes its place, and each session that is changed begins a branch.
// If the cache can be used, the branch is there first, by compare-and-set, so that all nodes go on with the same one; else
// this node has it alone.

// tip is the newest that this node can know of a session while the durable store is away.
type tip struct {
	branch
	large  bool            // too large for the cache
	known  bool            // else there is nothing but perhaps what the durable store has
	shared bool            // the next write goes to the cache first
	at     session.Version // of what the cache has
	entry  session.Version // of what the local store has
}

// usable reports whether branches can be kept in the cache: all nodes wrote to it when the state was read last.
func (e *engine) usable(v view) bool {
	return v.Generation != "" && !v.past() && !e.own() && e.fastHealth.up() && !e.outdated(v)
}

// tip finds it. A branch that this node has alone goes before the cache, which knows nothing of it; one that was in the cache
// has gone on there, or was told to the durable store by another node.
func (e *engine) tip(ctx context.Context, v view, id session.ID) (tip, error) {
	own, err := e.journal.read(ctx, id)
	if err != nil {
		return tip{}, err
	}
	mine := tip{branch: own.branch, known: own.ok, entry: own.at}
	if v.Generation == "" && own.ok && own.generation != "" && !own.ended && e.fastHealth.up() {
		return e.resumed(ctx, id, mine)
	}
	if own.ok && (own.generation != v.Generation || own.ended) || !e.usable(v) {
		return mine, nil
	}
	cur, err := e.cached(ctx, v, id)
	switch {
	case errors.Is(err, session.ErrNotFound) && own.ok, errors.Is(err, session.ErrRestarted): // the cache has lost it
		return mine, nil
	case errors.Is(err, session.ErrNotFound):
		return tip{shared: true, entry: own.at}, nil
	case err != nil:
		return tip{}, err
	case isBranch(cur):
		b, err := parseBranch(cur)
		return tip{branch: b, known: true, shared: true, at: cur.Version, entry: own.at}, err
	case isMark(cur) && cur.Version == lastVersion():
		return tip{branch: branch{ended: true}, known: true, shared: true, at: cur.Version, entry: own.at}, nil
	case isMark(cur):
		mine.large = true
		return mine, nil
	}
	return tip{branch: branch{root: cur, rec: cur}, known: true, shared: true, at: cur.Version, entry: own.at}, nil
}

// resumed finds the tip for a node that has begun anew, and knows of nothing but the branch that it had. If the cache has that
// still, all nodes go on there.
func (e *engine) resumed(ctx context.Context, id session.ID, mine tip) (tip, error) {
	cur, err := e.cached(ctx, view{state: state{Generation: mine.generation}}, id)
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrRestarted):
		return mine, nil
	case err != nil:
		return tip{}, err
	case !isBranch(cur):
		return mine, nil
	}
	b, err := parseBranch(cur)
	if err != nil || !b.ended && !b.has(mine.rec.Version) {
		return mine, err
	}
	return tip{branch: b, known: true, shared: true, at: cur.Version, entry: mine.entry}, nil
}

// readAway is Read without the durable store, whose failure is given.
func (e *engine) readAway(ctx context.Context, v view, id session.ID, away error) (session.Record, error) {
	if e.durableHealth.up() && !e.journal.has(id) || ctx.Err() != nil {
		return session.Record{}, away
	}
	t, err := e.tip(ctx, v, id)
	switch {
	case err != nil:
		return session.Record{}, away
	case t.known:
		rec, err := t.reveal(e.clock.Now())
		if err != nil {
			e.recent.drop(id)
		} else {
			e.recent.putBranch(id, t.branch, e.clock.Now())
		}
		return rec, err
	}
	if known, ok := e.remembered(id, t); ok {
		return known.reveal(e.clock.Now())
	}
	return session.Record{}, away
}

// remembered returns what this node has seen lately of a session that has no tip. If the cache can be used and does not have the
// session, it must have been seen since the cache began: where it ended before that, the mark of its end is gone.
func (e *engine) remembered(id session.ID, t tip) (branch, bool) {
	known, at, ok := e.recent.get(id, e.clock.Now())
	e.mu.Lock()
	defer e.mu.Unlock()
	return known, ok && (!t.shared || at.After(e.began))
}

// spill is Write without the durable store, whose failure is given. A store that has only failed once or twice may still be
// about to apply or to refuse the very write, so nothing is acknowledged in its place.
func (e *engine) spill(ctx context.Context, id session.ID, rec session.Record, prev session.Version, away error) error {
	if e.journal == nil || e.durableHealth.up() || ctx.Err() != nil {
		return away
	}
	for range 100 {
		v := e.current()
		t, err := e.tip(ctx, v, id)
		if err != nil {
			return unavailable(err)
		}
		b, err := e.extend(t, id, rec, prev, away)
		if err != nil {
			return err
		}
		if !t.shared && (e.requireShared || !t.known && !t.large && !e.alone(v)) {
			return away
		}
		if !t.shared {
			b.generation = ""
			return e.keep(ctx, id, b, t.entry)
		}
		if v.Generation == "" {
			v.Generation = t.generation
		}
		b.generation = v.Generation
		err = e.onFast(ctx, func() error { return e.fast.Write(ctx, v.key(id), b.record(e.clock.Now()), t.at) })
		switch {
		case err == nil && e.rules.noKeep:
			return nil
		case err == nil:
			return e.keep(ctx, id, b, t.entry)
		case raced(err):
			continue
		case errors.Is(err, session.ErrTooLarge) && e.requireShared:
			return away
		case errors.Is(err, session.ErrTooLarge):
			b.generation = ""
			return e.keep(ctx, id, b, t.entry)
		}
		return unavailable(err) // perhaps it is there: whoever tries again finds out
	}
	return errBusy
}

// alone reports whether a change that only this node has is better than none: neither store can be used, and that is not because
// this machine has no time for them.
func (e *engine) alone(v view) bool {
	return e.durableHealth.away() && (v.past() || e.own() || e.outdated(v) || v.Generation == "" || e.fastHealth.away())
}

// extend returns what a write makes of a tip, or why it may not.
func (e *engine) extend(t tip, id session.ID, rec session.Record, prev session.Version, away error) (branch, error) {
	now := e.clock.Now()
	if !t.known && !prev.IsZero() {
		known, ok := e.remembered(id, t)
		if !ok || known.rec.Version != prev {
			return branch{}, away // it could not be merged
		}
		t.branch = known
	}
	switch newest, err := t.reveal(now); {
	case !now.Before(rec.Deadline()):
		return branch{}, session.ErrNotFound
	case !t.known:
	case t.has(rec.Version) && !t.ended:
		return t.branch, nil // it was written before, and perhaps others have gone on from it
	case err != nil && (!prev.IsZero() || t.ended):
		return branch{}, err
	case newest.Version != prev && prev.IsZero():
		return branch{}, &session.ConflictError{Err: session.ErrExists, Newest: newest}
	case newest.Version != prev:
		return branch{}, &session.ConflictError{Err: session.ErrConflict, Newest: newest}
	}
	return t.next(rec), nil
}

// keep stores a branch in the local store: only then is a write acknowledged.
func (e *engine) keep(ctx context.Context, id session.ID, b branch, entry session.Version) error {
	if err := e.journal.write(ctx, id, b, entry); err != nil {
		return unavailable(err)
	}
	if b.ended {
		e.recent.end(id)
	} else {
		e.recent.putBranch(id, b, e.clock.Now())
	}
	return nil
}

// touchAway is Touch without the durable store, whose failure is given: what it reaches lives on.
func (e *engine) touchAway(ctx context.Context, id session.ID, rec session.Record, away error) error {
	carrier := rec
	carrier.Version = branch{rec: rec}.version()
	if v := e.current(); e.usable(v) {
		for _, rec := range []session.Record{rec, carrier} { // whichever is there
			if e.onFast(ctx, func() error { return touch(ctx, e.fast, v.key(id), rec) }) == nil {
				away = nil
			}
		}
	}
	if e.journal.has(id) && touch(ctx, e.journal.local, id, carrier) == nil {
		away = nil
	}
	return away
}

// ErrNotDurable comes with session.ErrUnavailable from Destroy: neither store could be told. This node refuses the session from
// now on, and tells the stores as soon as they answer; until then other nodes may serve it.
var ErrNotDurable = errors.New("fallback: the end of the session is known to this node only")

// destroyAway is Destroy without the durable store, whose failure is given.
func (e *engine) destroyAway(ctx context.Context, id session.ID, away error) error {
	if e.journal == nil || e.durableHealth.up() || ctx.Err() != nil {
		return away
	}
	v := e.current()
	b := branch{ended: true}
	if e.usable(v) {
		b.generation = v.Generation
		if err := e.end(ctx, v, id, b); err != nil {
			return unavailable(err)
		}
	}
	if err := e.keep(ctx, id, b, session.Version{}); err != nil {
		return err
	}
	if b.generation == "" {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, ErrNotDurable)
	}
	return nil
}

// end puts the end of a session into the cache, whatever is there.
func (e *engine) end(ctx context.Context, v view, id session.ID, b branch) error {
	for range 100 {
		cur, err := e.cached(ctx, v, id)
		if err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrCorrupt) {
			return err
		}
		if cur.Version == b.version() {
			return nil
		}
		err = e.onFast(ctx, func() error { return e.fast.Write(ctx, v.key(id), b.record(e.clock.Now()), cur.Version) })
		if !raced(err) {
			return err
		}
	}
	return errBusy
}
