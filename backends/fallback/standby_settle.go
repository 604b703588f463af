package fallback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// When a node reaches the fast store again it tells it what has become of sessions in the durable one.

// settle tells the fast store of the branch of a session, or of its end.
func (s *standby) settle(ctx context.Context, id session.ID) error {
	for range 100 {
		p := s.turnOf(id)
		if p.ended {
			if _, err := s.entomb(ctx, id, branch{ended: true}); err != nil {
				return err
			}
		}
		there, err := s.spare(ctx, id)
		switch {
		case err != nil:
			return err
		case there.ended:
			err = s.bury(ctx, id)
		case there.live(), there.is && !there.rec.Successor.IsZero():
			var next session.Record
			if next, err = s.carry(ctx, id, there.branch); err == nil {
				err = s.mark(ctx, id, next, there)
			}
		}
		switch {
		case err == nil:
			s.done(id, p.turn)
			return nil
		case !raced(err):
			return err
		}
	}
	return errBusy
}

// carry makes the fast store have the end of a branch, and returns what it has then.
func (s *standby) carry(ctx context.Context, id session.ID, b branch) (next session.Record, err error) {
	now := s.clock.Now()
	over := !now.Before(b.rec.Deadline())
	row, there, err := s.row(ctx, id)
	switch {
	case err != nil:
		return next, err
	case !there && over:
		return b.rec, nil
	case !there: // also if it was there: had it ended, there would be a tombstone
		next = b.rec
	case isMark(row):
		_, err := s.entomb(ctx, id, branch{ended: true})
		return b.rec, err
	case row.Version == b.rec.Version:
		return row, nil
	case !b.rec.Successor.IsZero() && row.Successor.IsZero(): // the session goes on under another id
		if over {
			return b.rec, s.bury(ctx, id)
		}
		next = b.rec
	case over && b.has(row.Version):
		return b.rec, s.bury(ctx, id)
	case over:
		return row, nil
	case b.has(row.Version):
		next = b.rec
	default:
		if next, _, err = s.merge(ctx, id, b, row, false); err != nil || next.Version == row.Version {
			return next, err
		}
	}
	return next, s.onFast(ctx, func() error { return s.fast.Write(ctx, id, next, row.Version) })
}

// row returns what the fast store has, be it a mark, if it has something.
func (s *standby) row(ctx context.Context, id session.ID) (rec session.Record, there bool, err error) {
	err = s.onFast(ctx, func() (err error) { rec, err = s.fast.Read(ctx, id); return err })
	return rec, err == nil, unless(err, session.ErrNotFound)
}

// mark notes in the durable store that the fast one has been told of a branch. For nodes that do not reach the fast one it stays.
func (s *standby) mark(ctx context.Context, id session.ID, rec session.Record, there spare) error {
	return s.onDurable(ctx, func() error { return s.durable.Write(ctx, id, told(rec).record(s.clock.Now()), there.at) })
}

// entomb puts the end of a session into the durable store, or a branch that is as good as one, whatever is there. It reports
// whether something was.
func (s *standby) entomb(ctx context.Context, id session.ID, b branch) (was bool, err error) {
	if s.rules.noMark {
		return true, nil
	}
	rec := b.record(s.clock.Now())
	for range 100 {
		there, err := s.spare(ctx, id)
		if outage(err) || there.ended {
			return true, err
		}
		err = s.onDurable(ctx, func() error { return s.durable.Write(ctx, id, rec, there.at) })
		if !raced(err) {
			return there.is, err
		}
	}
	return true, errBusy
}

// bury puts a mark into the fast store in the place of an ended session, so that nothing which is under way still brings it
// back.
func (s *standby) bury(ctx context.Context, id session.ID) error {
	m := mark(lastVersion(), s.clock.Now(), markLasts)
	for range 100 {
		if err := s.onFast(ctx, func() error { return s.fast.Destroy(ctx, id) }); err != nil { // and its lock with it
			return err
		}
		err := s.onFast(ctx, func() error { return s.fast.Write(ctx, id, m, session.Version{}) })
		if !raced(err) {
			return err
		}
	}
	return errBusy
}

// Destroy ends a session in both stores. One that does not answer is told as soon as it does: the fast one because all nodes
// look into the durable one until then.
func (s *standby) Destroy(ctx context.Context, id session.ID) error {
	was, entombed := s.entomb(ctx, id, branch{ended: true})
	end := s.bury
	if !was && entombed == nil { // there is no branch that somebody could be about to carry back
		end = func(ctx context.Context, id session.ID) error {
			return s.onFast(ctx, func() error { return s.fast.Destroy(ctx, id) })
		}
	}
	buried := end(ctx, id)
	s.recent.end(id)
	switch {
	case entombed == nil && buried == nil:
		return nil
	case entombed == nil:
		s.pend(id, true)
		return s.keepWord(ctx)
	}
	if s.closed.Load() || ctx.Err() != nil {
		return entombed
	}
	s.pend(id, true)
	if buried == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, ErrNotDurable)
}

// drain settles what this node has to, and takes its word back when nothing is left.
func (s *standby) drain(ctx context.Context, workers int) {
	if !s.durableHealth.up() || !s.fastHealth.up() {
		return
	}
	s.lock.Lock()
	ids := sorted(maps.Keys(s.open))
	s.lock.Unlock()
	_ = each(ctx, workers, ids, func(id session.ID) error { return s.settle(ctx, id) }) // else the next time
	s.mu.Lock()
	due := s.clock.Now().Before(s.until) && !s.clock.Now().Before(s.since.Add(wordLasts))
	s.mu.Unlock()
	if due && s.opened() == 0 {
		_ = s.calmDown(ctx, workers) // else the next time
	}
}

// calmDown makes the nodes rely on the fast store again, as far as this one is concerned and those that have died. If the fast
// store has gone back in time, it is told of all ended sessions first; and of the branches of nodes that have died.
func (s *standby) calmDown(ctx context.Context, workers int) error {
	nodes := s.lastOf()
	if err := s.prove(ctx, &s.fastHealth, s.fast); err != nil {
		if s.fastHealth.refuted(s.clock.Now()) {
			s.report(Event{Kind: EventDown, Store: s.fastHealth.name, Err: err})
		}
		return err
	}
	generation := s.draw()
	if err := s.begin(ctx, generation); err != nil {
		return err
	}
	kept, err := s.ranSince(ctx, s.current().Generation)
	if err != nil {
		return err
	}
	if !kept && !s.rules.noReplay || len(nodes) > 1 {
		if err := s.replay(ctx, workers); err != nil {
			return err
		}
	}
	if _, err := s.ranSince(ctx, generation); err != nil {
		return err
	}
	s.mu.Lock()
	s.until = time.Time{} // from here on nothing relies on our word
	s.mu.Unlock()
	if s.opened() > 0 {
		return errBusy
	}
	v, err := s.look(ctx)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, v, func(st *state) {
		for _, node := range nodes {
			delete(st.Past, node)
		}
		st.Generation = generation
	})
	return err
}

// ranSince reports whether the fast store certainly has run since a generation began.
func (s *standby) ranSince(ctx context.Context, generation string) (bool, error) {
	i, ok := s.fast.(session.Incarnated)
	if !ok {
		return false, nil
	}
	err := s.onFast(ctx, func() error { _, err := i.ReadSince(ctx, generation, stateID()); return err })
	switch {
	case err == nil, errors.Is(err, session.ErrNotFound):
		return true, nil
	case errors.Is(err, session.ErrRestarted), errors.Is(err, errors.ErrUnsupported):
		return false, nil
	}
	return false, err
}

// replay tells the fast store of every branch and tombstone that the durable one has.
func (s *standby) replay(ctx context.Context, workers int) error {
	var ids []session.ID
	for id, err := range s.letterbox.List(ctx) {
		if err != nil {
			return unavailable(err)
		}
		ids = append(ids, id)
	}
	return each(ctx, workers, ids, func(id session.ID) error { return s.settle(ctx, id) })
}
