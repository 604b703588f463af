package fallback

import (
	"context"
	"errors"

	"github.com/nonstick-go/nonstick/core/session"
)

// put makes the cache have rec, or something newer. rec was made of the version before.
func (e *engine) put(ctx context.Context, v view, id session.ID, rec session.Record, before session.Version) error {
	return e.putOn(ctx, v, id, rec, before, before)
}

// putOn is put with a guess of what the cache has.
func (e *engine) putOn(ctx context.Context, v view, id session.ID, rec session.Record, prev, before session.Version) error {
	key, over := v.key(id), false
	for range 100 { // each time somebody else has written something newer than what was there
		err := e.onFast(ctx, func() error { return e.fast.Write(ctx, key, rec, prev) })
		switch {
		case errors.Is(err, session.ErrNotFound):
			if prev.IsZero() || !e.clock.Now().Before(rec.Deadline()) {
				return nil // it has just expired
			}
			prev = session.Version{}
			continue
		case errors.Is(err, session.ErrTooLarge):
			rec = mark(rec.Version, e.clock.Now(), max(rec.TTL, markLasts))
			continue
		case errors.Is(err, session.ErrConflict), errors.Is(err, session.ErrExists):
		case err == nil && over && !isMark(rec):
			return e.notDiscarded(ctx, id, rec.Version)
		default:
			return err
		}
		newest, err := e.inTheWay(ctx, key, err)
		switch {
		case errors.Is(err, session.ErrNotFound):
			prev = session.Version{}
			continue
		case err != nil:
			return err
		}
		switch {
		case isBranch(newest):
			if ended, err := e.putOver(ctx, v, id, rec, before, newest); ended || err != nil {
				return err
			}
			over = newest.Version != (branch{rec: rec}).version() // a change of the branch, which somebody may be about to discard
		case newer(newest.Version, rec.Version) && !e.rules.noNewer:
			return e.notDiscarded(ctx, id, rec.Version)
		}
		prev = newest.Version
	}
	return errBusy
}

// inTheWay returns what a write has met.
func (e *engine) inTheWay(ctx context.Context, key session.ID, refusal error) (newest session.Record, err error) {
	if conflict, ok := errors.AsType[*session.ConflictError](refusal); ok && !conflict.Newest.Version.IsZero() {
		return conflict.Newest, nil
	}
	err = e.onFast(ctx, func() (err error) { newest, err = e.fast.Read(ctx, key); return err })
	return newest, err
}

// otherStoreError is an error of put for which the cache cannot help it: its word is not to be given for that.
type otherStoreError struct{ error }

func (e *otherStoreError) Unwrap() error { return e.error }

// notDiscarded is session.ErrConflict if a change was discarded: see merge.
func (e *engine) notDiscarded(ctx context.Context, id session.ID, change session.Version) error {
	discarded, err := e.discarded(ctx, id, change)
	switch {
	case err != nil:
		return &otherStoreError{err}
	case discarded:
		return session.ErrConflict
	}
	return nil
}

// putOver is asked before rec takes the place of a branch in the cache. What goes on from the branch may; anything else waits
// until the durable store knows of the branch. What the cache has then, because of that or because another node was quicker, may
// be older than rec or newer, so it is to be looked at again. It reports whether the session has ended.
func (e *engine) putOver(ctx context.Context, v view, id session.ID, rec session.Record, before session.Version, carrier session.Record) (ended bool, err error) {
	b, err := parseBranch(carrier)
	switch {
	case err != nil:
		return false, err
	case b.ended:
		return true, nil
	case b.rec.Version == rec.Version, b.rec.Version == before, e.rules.noTell:
		return false, nil
	}
	_, err = e.settle(ctx, v, id, b)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return !isMark(rec), nil
	case err != nil:
		return false, &otherStoreError{err}
	}
	return false, nil
}
