package fallback

import (
	"context"
	"crypto/sha256"
	"errors"
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
	if err == nil && next.Version != b.rec.Version { // it was merged, and the entry may have gone on from that
		if moved, err := e.journal.read(ctx, id); err == nil && moved.ok && moved.rec.Version == next.Version {
			own = moved
		}
	}
	return e.journal.settled(ctx, id, own)
}

// settle tells the durable store of a branch, and returns what that has then.
func (e *engine) settle(ctx context.Context, v view, id session.ID, b branch) (session.Record, error) {
	now := e.clock.Now()
	before, discards := b.rec.Version, false // what the cache has, if it has the branch
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
			discards = shared && !b.has(row.Version)
		}
		switch err = e.replace(ctx, v, id, row, next, discards); {
		case err == nil:
			return next, e.publish(ctx, v, id, next, before)
		case !raced(err):
			return session.Record{}, err
		}
	}
	return session.Record{}, errBusy
}

// replace stores what has become of a branch in the place of a record. If that is discarded, and some node writes past the cache
// by now, a letter keeps it: that node may have found it where it had stored it, just before, and have told somebody so.
func (e *engine) replace(ctx context.Context, v view, id session.ID, row, next session.Record, discards bool) error {
	if next.Version != row.Version {
		if err := e.store(ctx, id, next, row.Version); err != nil {
			return err
		}
	}
	if !discards {
		return nil
	}
	if now, err := e.look(ctx); err == nil && !now.past() && now.Generation == v.Generation {
		return nil
	}
	return e.letter(ctx, id, row)
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
