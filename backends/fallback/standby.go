package fallback

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// standby is the protocol of Standby: the fast store has the sessions, and the durable one takes its place for nodes that do not
// reach it.
//
// While all is well, nobody asks the durable store for a session, and all that is told to it are the ends of sessions. What
// may not happen is that one node goes on with a session in the durable store while another one does in the fast store,
// or that a fast store which has gone back in time brings ended sessions back:
//
//   - A node that does not reach the fast store gives its word in the state, like in Mirrored, and changes nothing before the
//     others must have heard. From then on all nodes are careful: they look into the durable store first.
//   - What it changes is a branch there, of what it has seen of the session last. Whoever reaches both stores tells the fast one
//     of the branch before they change the session, and show the durable one what they have changed.
//   - Its word stands until the fast store has been told of its branches. Those of a node that has died are found by
//     listing the durable store.
//   - An ended session leaves a tombstone in the durable store. When the fast store may have gone back in time, which the
//     first read finds out, all tombstones are carried to it before it is relied on again.
type standby struct {
	*engine
	unverified bool // serve what the durable store cannot vouch for

	lock sync.Mutex
	open map[session.ID]pending
	gone []string // nodes whose words are to be taken back with our own
}

// pending is a session of which the fast store must be told, or both.
type pending struct {
	turn  uint64 // grows with every change
	ended bool
	since time.Time
}

// newStandby makes an engine without a local store one of Standby. Its durable store has to be listed.
func newStandby(e *engine, durable listed, unverified bool) *standby {
	e.locker, _ = e.fast.(session.Locker)
	e.letterbox, e.recent = durable, newRecent()
	e.fastHealth.slow, e.fastHealth.scatters = 0, false // a part, or a slow one, is still better than one that lacks most sessions
	return &standby{engine: e, unverified: unverified, open: make(map[session.ID]pending)}
}

// calm reports whether the fast store has everything.
func (s *standby) calm(v view) bool {
	return v.reliable(s.clock.Now()) && s.fastHealth.up() && !s.outdated(v)
}

// Read returns what the fast store has. If somebody may have gone on in the durable one, that is asked first.
func (s *standby) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if s.refuses(id) {
		return session.Record{}, session.ErrNotFound
	}
	v := s.current()
	if s.calm(v) {
		rec, err := s.primary(ctx, v, id)
		if !outage(err) && !errors.Is(err, session.ErrRestarted) {
			return s.found(id, rec, err)
		}
	}
	there, err := s.spare(ctx, id)
	switch {
	case outage(err):
		return s.readUnverified(ctx, v, id, err)
	case err != nil:
		return session.Record{}, err
	case there.ended:
		return s.found(id, session.Record{}, session.ErrNotFound)
	case there.live():
		rec, err := there.reveal(s.clock.Now())
		return s.found(id, rec, err)
	}
	rec, err := s.primary(ctx, view{}, id)
	if known, ok := s.base(id, there); ok && s.alone(ctx, err) {
		return branch{rec: known}.reveal(s.clock.Now())
	}
	return s.found(id, rec, err)
}

// alone reports whether a call failed because the fast store is away.
func (s *standby) alone(ctx context.Context, err error) bool {
	return outage(err) && ctx.Err() == nil && !s.closed.Load() && !s.fastHealth.up()
}

// vouched reports whether the fast store may be relied on without the durable one.
func (s *standby) vouched(v view) bool {
	return s.unverified || v.Generation != "" && !s.outdated(v)
}

// readUnverified is Read without the durable store, whose failure is given.
func (s *standby) readUnverified(ctx context.Context, v view, id session.ID, away error) (session.Record, error) {
	if s.unverified {
		v.Generation = "" // it need not have run since
	} else if !s.vouched(v) {
		return session.Record{}, away
	}
	rec, err := s.primary(ctx, v, id)
	switch {
	case errors.Is(err, session.ErrRestarted), errors.Is(err, session.ErrNotFound) && v.past(): // perhaps it began in the durable store
		return session.Record{}, away
	case s.alone(ctx, err):
		if known, _, ok := s.recent.get(id, s.clock.Now()); ok {
			return known.reveal(s.clock.Now())
		}
	}
	return s.found(id, rec, err)
}

// primary reads the fast store, which must have run since the view's generation began.
func (s *standby) primary(ctx context.Context, v view, id session.ID) (rec session.Record, err error) {
	err = s.onFast(ctx, func() (err error) {
		if i, ok := s.fast.(session.Incarnated); ok && v.Generation != "" && !s.rules.noSince {
			if rec, err = i.ReadSince(ctx, v.Generation, id); !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		rec, err = s.fast.Read(ctx, id)
		return err
	})
	switch {
	case errors.Is(err, session.ErrRestarted):
		s.mu.Lock()
		s.older = v.Generation
		s.mu.Unlock()
	case err == nil && isMark(rec):
		return session.Record{}, session.ErrNotFound
	}
	return rec, err
}

// found remembers what was read.
func (s *standby) found(id session.ID, rec session.Record, err error) (session.Record, error) {
	switch {
	case err == nil:
		s.recent.put(id, rec, s.clock.Now())
	case errors.Is(err, session.ErrNotFound):
		s.recent.drop(id)
	}
	return rec, err
}

// spare is what the durable store has of a session.
type spare struct {
	branch
	is bool            // there is a branch, or the end of one
	at session.Version // of the record; zero if there is none
}

// live reports whether it goes before what the fast store has.
func (there spare) live() bool { return there.is && !there.settled && !there.ended }

func (s *standby) spare(ctx context.Context, id session.ID) (spare, error) {
	rec, err := s.stored(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return spare{}, nil
	case err != nil, !isBranch(rec):
		return spare{at: rec.Version}, err
	}
	b, err := parseBranch(rec)
	return spare{branch: b, is: err == nil, at: rec.Version}, err
}

// base is the last that this node can know of a session without the fast store.
func (s *standby) base(id session.ID, there spare) (session.Record, bool) {
	known, _, ok := s.recent.get(id, s.clock.Now())
	if there.settled && !there.ended && (!ok || newer(there.rec.Version, known.rec.Version)) {
		return there.rec, true
	}
	return known.rec, ok
}

// Write changes a session in the fast store.
func (s *standby) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	v, err := s.latest(ctx)
	if err != nil {
		return s.writeUnverified(ctx, s.current(), id, rec, prev, err)
	}
	if !s.calm(v) {
		return s.writeCareful(ctx, v, id, rec, prev)
	}
	return s.wrote(ctx, v, id, rec, prev, s.onFast(ctx, func() error { return s.fast.Write(ctx, id, rec, prev) }))
}

// wrote is to be called after a write of the fast store that began under a view, with its outcome. If others may have begun to go on in
// the durable store meanwhile, what was written goes there too.
func (s *standby) wrote(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version, err error) error {
	switch {
	case err != nil:
		return s.refused(id, err)
	case !rec.Successor.IsZero(): // it goes on under another id; without the durable store the fast one has to remember that
		_, _ = s.entomb(ctx, id, told(rec))
	}
	if !s.calm(v) {
		if now, err := s.look(ctx); err == nil && now.past() {
			if err := s.share(ctx, id, rec, prev); err != nil {
				return err
			}
		}
	}
	s.recent.put(id, rec, s.clock.Now())
	return nil
}

// refused is what a refusal of the fast store means for the visitor.
func (s *standby) refused(id session.ID, err error) error {
	conflict, ok := errors.AsType[*session.ConflictError](err)
	switch {
	case !ok || conflict.Newest.Version.IsZero():
		return err
	case isMark(conflict.Newest):
		return session.ErrNotFound
	}
	s.recent.put(id, conflict.Newest, s.clock.Now())
	return err
}

// writeCareful is Write when the fast store may not have everything.
func (s *standby) writeCareful(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version) error {
	for range 100 {
		there, err := s.spare(ctx, id)
		switch {
		case outage(err):
			return s.writeUnverified(ctx, v, id, rec, prev, err)
		case err != nil:
			return err
		case there.ended:
			return session.ErrNotFound
		case there.live() && there.has(rec.Version):
			return s.keepWord(ctx)
		case there.live() && there.rec.Version != prev:
			return &session.ConflictError{Err: session.ErrConflict, Newest: there.rec}
		}
		if !s.fastHealth.up() {
			return s.writeSpare(ctx, id, rec, prev)
		}
		err = s.onFast(ctx, func() error { return s.fast.Write(ctx, id, rec, prev) })
		switch {
		case err == nil:
			return s.share(ctx, id, rec, prev)
		case outage(err) || !there.live():
			return s.refused(id, err)
		}
		if err := s.settle(ctx, id); err != nil { // the branch is ahead
			return err
		}
	}
	return errBusy
}

// writeUnverified is Write without the durable store, whose failure is given.
func (s *standby) writeUnverified(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version, away error) error {
	if !s.vouched(v) || !s.fastHealth.up() {
		return away
	}
	err := s.onFast(ctx, func() error { return s.fast.Write(ctx, id, rec, prev) })
	if err != nil {
		return s.refused(id, err)
	}
	s.recent.put(id, rec, s.clock.Now())
	return nil
}

// writeSpare is Write without the fast store. It waits until all nodes look into the durable one.
func (s *standby) writeSpare(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if err := s.keepWord(ctx); err != nil {
		return err
	}
	if !s.heardByAll() {
		return errDown
	}
	for range 100 {
		there, err := s.spare(ctx, id)
		if err != nil {
			return err
		}
		if there.ended {
			return session.ErrNotFound
		}
		t := tip{branch: there.branch, known: there.live()}
		if !t.known {
			t.branch = branch{}
			if known, ok := s.base(id, there); ok {
				t = tip{branch: branch{root: known, rec: known}, known: true}
			}
		}
		b, err := s.extend(t, id, rec, prev, errDown)
		if err != nil {
			return err
		}
		s.pend(id, false)
		err = s.onDurable(ctx, func() error { return s.durable.Write(ctx, id, b.record(s.clock.Now()), there.at) })
		switch {
		case err == nil:
			s.recent.put(id, rec, s.clock.Now())
			return s.keepWord(ctx)
		case !raced(err):
			return err
		}
	}
	return errBusy
}

// share puts what was written to the fast store into the durable one too, for nodes that do not reach the fast one.
func (s *standby) share(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	for range 100 {
		there, err := s.spare(ctx, id)
		switch {
		case err != nil:
			return err
		case there.ended:
			return session.ErrNotFound
		case there.live() && there.rec.Version != prev: // somebody went on without the fast store
			return s.settle(ctx, id)
		case there.is && !there.live() && newer(there.rec.Version, rec.Version):
			return nil // somebody was quicker with what the fast store has had since
		}
		err = s.onDurable(ctx, func() error { return s.durable.Write(ctx, id, told(rec).record(s.clock.Now()), there.at) })
		switch {
		case err == nil:
			s.recent.put(id, rec, s.clock.Now())
			return nil
		case !raced(err):
			return err
		}
	}
	return errBusy
}

// told is the branch of a session that the fast store has.
func told(rec session.Record) branch { return branch{root: rec, rec: rec, settled: true} }

// keepWord makes sure that all nodes look into the durable store, or will.
func (s *standby) keepWord(ctx context.Context) error {
	if s.own() || s.rules.noWord {
		return nil
	}
	return s.giveWord(ctx)
}

// heardByAll reports whether no node relies any more on not having heard our word.
func (s *standby) heardByAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules.noHeard || !s.clock.Now().Before(s.heard)
}

// Touch keeps a session alive wherever it is.
func (s *standby) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	v := s.current()
	err := s.onFast(ctx, func() error { return touch(ctx, s.fast, id, rec) })
	if s.calm(v) {
		return err
	}
	for _, version := range []session.Version{branch{rec: rec}.version(), rec.Version} { // whichever is there
		carrier := rec
		carrier.Version = version
		if s.onDurable(ctx, func() error { return touch(ctx, s.durable, id, carrier) }) == nil {
			err = nil
		}
	}
	return err
}
