package fallback

import (
	"context"
	"errors"

	"github.com/nonstick-go/nonstick/core/session"
)

// cached reads the cache. What is no session there is like nothing at all.
func (e *engine) cached(ctx context.Context, v view, id session.ID) (session.Record, error) {
	var rec session.Record
	err := e.onFast(ctx, func() (err error) { rec, err = e.readSince(ctx, v, id); return err })
	switch {
	case errors.Is(err, session.ErrCorrupt):
		_ = e.onFast(ctx, func() error { return e.fast.Destroy(ctx, v.key(id)) })
	case errors.Is(err, session.ErrRestarted):
		e.mu.Lock()
		e.older = v.Generation
		e.mu.Unlock()
	}
	return rec, err
}

// readSince reads a cache that has run since the view's generation began, if it can tell.
func (e *engine) readSince(ctx context.Context, v view, id session.ID) (session.Record, error) {
	if i, ok := e.fast.(session.Incarnated); ok && !e.rules.noSince {
		if rec, err := i.ReadSince(ctx, v.Generation, v.key(id)); !errors.Is(err, errors.ErrUnsupported) {
			return rec, err
		}
	}
	return e.fast.Read(ctx, v.key(id))
}

// begin makes the cache remember a generation.
func (e *engine) begin(ctx context.Context, generation string) error {
	i, ok := e.fast.(session.Incarnated)
	if !ok {
		return nil
	}
	err := e.onFast(ctx, func() error { return i.Begin(ctx, generation) })
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// outdated reports whether the cache has shown that it has gone back in time since the view's generation began.
func (e *engine) outdated(v view) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.older == v.Generation
}

// fill puts what was read into the cache, unless something is there by now.
func (e *engine) fill(ctx context.Context, v view, id session.ID, rec session.Record) {
	err := e.onFast(ctx, func() error { return e.fast.Write(ctx, v.key(id), rec, session.Version{}) })
	if errors.Is(err, session.ErrTooLarge) {
		_ = e.onFast(ctx, func() error {
			return e.fast.Write(ctx, v.key(id), mark(rec.Version, e.clock.Now(), markLasts), session.Version{})
		})
	}
}

// bury leaves a mark in the cache where a session was. Whoever has read it before it was removed may still be about to tell the
// cache.
func (e *engine) bury(ctx context.Context, v view, id session.ID) error {
	if e.rules.noMark {
		return e.onFast(ctx, func() error { return e.fast.Destroy(ctx, v.key(id)) })
	}
	return e.put(ctx, v, id, mark(lastVersion(), e.clock.Now(), markLasts), session.Version{})
}

// publish makes the cache follow what was just stored, in whatever way is needed for others to see it. v is what was known
// before it was stored: if that can be relied on still, the cache was believed all the time. Else the state is read now. If
// the cache is believed by then, others may have stored more when it was not, and have had no reason to tell it to the
// cache; so what is stored now is what goes there.
func (e *engine) publish(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version) error {
	change := rec.Version
	if !e.own() && (v.reliable(e.clock.Now()) || e.rules.noRecall && v.reliable(v.at)) {
		if err := e.tell(ctx, func() error { return e.put(ctx, v, id, rec, prev) }); err != nil || !e.own() {
			return err
		}
	}
	switch {
	case e.own() && v.past(): // nobody believed the cache
		return nil
	case e.own(): // since our word: before that it may have been discarded for what the cache had
		return e.notDiscarded(ctx, id, change)
	}
	v, err := e.look(ctx)
	if err != nil {
		return err
	}
	if v.past() { // nobody believes the cache, and who does later reads what is stored
		return e.notDiscarded(ctx, id, change)
	}
	if !e.rules.noReread {
		switch rec, err = e.stored(ctx, id); {
		case errors.Is(err, session.ErrNotFound):
			rec = mark(lastVersion(), e.clock.Now(), markLasts)
		case err != nil:
			return err
		}
	}
	if err := e.tell(ctx, func() error { return e.put(ctx, v, id, rec, session.Version{}) }); err != nil {
		return err
	}
	return e.notDiscarded(ctx, id, change)
}

// tell does something to the cache, or gives our word that it is not to be believed. But a single call that fails is no reason to
// when the durable store has been away a moment ago: some nodes may still have branches in the cache, which then nobody would see.
func (e *engine) tell(ctx context.Context, do func() error) error {
	if e.fastHealth.up() {
		err := do()
		if err == nil || e.rules.noWord {
			return nil
		}
		if other, ok := errors.AsType[*otherStoreError](err); ok {
			return unavailable(other.error)
		}
		if raced(err) { // what was stored has been discarded
			return err
		}
		if ctx.Err() != nil {
			return unavailable(ctx.Err())
		}
		if e.fastHealth.up() && e.durableHealth.shaky(e.clock.Now()) {
			return unavailable(err)
		}
	}
	if e.own() { // another call has given it meanwhile
		return nil
	}
	return e.giveWord(ctx)
}
