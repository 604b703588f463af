package fallback

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// engine is the protocol. It does no I/O but calls of the two stores and of its clock, so that a simulation runs the very
// code that serves visitors.
//
// The durable store is the truth: a write is a write when it is there. The fast store is a cache of it, which may be read
// instead while all nodes keep it up to date. What may not happen is that one node writes past the cache and another one
// believes the cache:
//
//   - A node that cannot write to the cache says so in the state, a record in the durable store, before it acknowledges
//     anything. All nodes read the state all the time, and none believes the cache while it has not read lately that
//     nobody writes past it. So a cache is believed by mistake for a second at most.
//   - A node that takes its word back gives the cache a new name at the same time, a generation, from which all keys
//     follow: it begins empty. What was missed before is never seen again.
//   - A word is kept for longer than others may rely on not having heard it. So while a node may rely on the state that it
//     has read, there is no newer generation than the one it knows.
//   - A write that ends when the node may not rely on that any more reads the state again, after it is stored: then
//     whoever fills a newer generation finds the write in the durable store.
//   - Who notices that the cache has gone back in time gives their word too. A generation begins in the memory of the servers,
//     so each read finds out by itself.
//   - What the cache has is only ever replaced by something newer, and a destroyed session leaves a mark that is newer
//     than everything, so a late copy harms nobody.
type engine struct {
	fast, durable session.Handler
	locker        session.Locker // of the durable store, or nil
	clock         Clock
	random        io.Reader
	node          string
	rules         rules
	report        func(Event)
	closed        atomic.Bool

	fastHealth, durableHealth breaker

	journal       *journal // nil without a local store
	recent        *recent  // nil without one
	letterbox     listed   // has the dead letters; nil without one
	letters       atomic.Int64
	conflicts     atomic.Int64
	requireShared bool // of what is acknowledged without the durable store
	envelope      atomic.Pointer[session.Envelope]
	mergePayload  func(base, winner, loser []byte) (merged []byte, lost bool, err error)

	mu    sync.Mutex
	view  view                // the state as it was read last
	began time.Time           // since when its generation is known here
	older string              // the generation that the cache has forgotten, or in which it has gone back in time
	until time.Time           // until when our own word certainly stands in the state; zero if it does not
	since time.Time           // when it was there first, at the latest
	heard time.Time           // when no node relies on not having heard it
	beats map[string]lastBeat // of other nodes that have given theirs
}

// Clock tells the time. Its readings have to grow, whatever happens to the clock on the wall: time.Now is one.
type Clock interface {
	Now() time.Time
}

// rules are those parts of the protocol that the simulation leaves out in turn, to show that it would be noticed.
type rules struct {
	noWord   bool // write past the cache without a word
	noReread bool // tell the cache what was stored before the state was read
	noMark   bool // a destroyed session leaves no mark
	sameName bool // keep the generation when a word is taken back
	noNewer  bool // let an older copy replace a newer one
	noSince  bool // believe a cache that has restarted
	noKeep   bool // acknowledge a branch that is only in the cache
	noTell   bool // let others take the place of a branch
	noAgain  bool // let a branch win that has grown since
	noNote   bool // leave no note of a session that has ended
	noStay   bool // take a word back at once
	noRecall bool // acknowledge by a state that is too old by then

	noReplay bool // Standby: rely on a fast store that has gone back in time
	noHeard  bool // Standby: go on before others must have heard of it
}

// The times of the protocol.
const (
	// trust is for how long a node may rely on a state that it has read, counted from when it began to read.
	trust = time.Second
	// wordLasts is the least time for which a word is kept.
	wordLasts = 2 * trust
	// beatEvery is how often a node repeats its word, ownLasts how long after that it may rely on it, and deadAfter when
	// others take a word that is not repeated for that of a dead node.
	beatEvery = 5 * time.Second
	ownLasts  = 30 * time.Second
	deadAfter = 60 * time.Second
	// markLasts is how long the mark of a destroyed session stays in the cache: longer than any late copy is under way.
	markLasts = 10 * time.Minute
)

func newEngine(fast, durable session.Handler, local Local, clock Clock, random io.Reader, report func(Event)) *engine {
	e := &engine{mergePayload: session.MergePayload, fast: fast, durable: durable, clock: clock, random: random, report: report, beats: make(map[string]lastBeat)}
	e.locker, _ = durable.(session.Locker)
	if local != nil {
		e.letterbox, e.recent = local, newRecent()
		e.journal = &journal{local: local, clock: clock, report: report, open: make(map[session.ID]opening)}
	}
	e.node = e.draw()
	e.fastHealth.name, e.fastHealth.slow, e.fastHealth.scatters, e.durableHealth.name = "fast", slow, true, "durable"
	return e
}

// Read returns what the cache has, if that can be relied on, else what is stored. It looks again if it was about to tell a store
// of a branch, and that was discarded for what others have.
func (e *engine) Read(ctx context.Context, id session.ID) (session.Record, error) {
	for range 100 {
		rec, err := e.read(ctx, id)
		if !errors.Is(err, session.ErrConflict) {
			return rec, err
		}
	}
	return session.Record{}, errBusy
}

func (e *engine) read(ctx context.Context, id session.ID) (session.Record, error) {
	if e.journal.has(id) {
		if err := e.settleOwn(ctx, id); err != nil {
			return e.readAway(ctx, e.current(), id, err)
		}
	}
	v := e.current()
	now := e.clock.Now()
	for v.old(now) { // while the durable store was away others may have gone on in the cache
		fresh, err := e.look(ctx)
		if err != nil {
			return e.readAway(ctx, v, id, err)
		}
		v, now = fresh, e.clock.Now()
	}
	fill := false
	if v.reliable(now) && e.fastHealth.up() && !e.outdated(v) {
		rec, err := e.cached(ctx, v, id)
		switch {
		case err == nil && isBranch(rec):
			return e.readBranch(ctx, v, id, rec)
		case err == nil && !isMark(rec):
			e.recent.put(id, rec, now)
			return rec, nil
		}
		fill = err != nil && !outage(err) && !errors.Is(err, session.ErrRestarted)
	}
	rec, err := e.stored(ctx, id)
	switch {
	case outage(err):
		return e.readAway(ctx, v, id, err)
	case err != nil:
		e.recent.drop(id)
		return rec, err
	case fill:
		e.fill(ctx, v, id, rec)
	}
	e.recent.put(id, rec, now)
	return rec, nil
}

// readBranch returns what has become of a session while the durable store was away for some node.
func (e *engine) readBranch(ctx context.Context, v view, id session.ID, rec session.Record) (session.Record, error) {
	b, err := parseBranch(rec)
	if err != nil || b.ended {
		return session.Record{}, or(err, session.ErrNotFound)
	}
	if e.durableHealth.up() {
		if rec, err := e.settle(ctx, v, id, b); !outage(err) {
			return rec, err
		}
	}
	return b.reveal(e.clock.Now())
}

// stored reads the durable store.
func (e *engine) stored(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = e.onDurable(ctx, func() (err error) { rec, err = e.durable.Read(ctx, id); return err })
	return rec, err
}

// Write stores rec in the durable store, and then in the cache.
func (e *engine) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := e.prepare(ctx, id)
	v := e.current()
	if err == nil {
		err = e.store(ctx, id, rec, prev)
	}
	return e.written(ctx, v, id, rec, prev, err)
}

// store writes to the durable store.
func (e *engine) store(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if !rec.Successor.IsZero() {
		if err := e.noteEnd(ctx, id); err != nil {
			return err
		}
	}
	return e.onDurable(ctx, func() error { return e.durable.Write(ctx, id, rec, prev) })
}

// prepare tells the durable store of the branch of a session that is to be changed. Reading it has done so, unless that
// store was away then; so there is nothing to do if it has answered all the time.
func (e *engine) prepare(ctx context.Context, id session.ID) error {
	if e.journal.has(id) {
		if err := e.settleOwn(ctx, id); err != nil {
			return err
		}
	}
	v := e.current()
	if !e.durableHealth.shaky(e.clock.Now()) || !e.usable(v) {
		return nil
	}
	if rec, err := e.cached(ctx, v, id); err == nil && isBranch(rec) {
		b, err := parseBranch(rec)
		if err == nil {
			_, err = e.settle(ctx, v, id, b)
		}
		return unless(err, session.ErrNotFound) // it has ended: the durable store says so too
	}
	return nil
}

// written tells the cache of a write that began under a view, or of the one that was in its way.
func (e *engine) written(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version, err error) error {
	switch conflict, ok := errors.AsType[*session.ConflictError](err); {
	case err == nil:
		e.recent.put(id, rec, v.at)
		return e.publish(ctx, v, id, rec, prev)
	case outage(err):
		return e.spill(ctx, id, rec, prev, err)
	case ok && !conflict.Newest.Version.IsZero(): // perhaps whoever wrote it died before they could
		e.recent.put(id, conflict.Newest, v.at)
		if v.reliable(e.clock.Now()) && e.fastHealth.up() {
			_ = e.putOn(ctx, v, id, conflict.Newest, prev, session.Version{}) // it may have been made of something else
		}
	}
	return err
}

// Touch keeps a session alive in the durable store, which knows whether it is there, and then in the cache. While the
// durable store is away the cache is better than nothing.
func (e *engine) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	err := e.onDurable(ctx, func() error { return touch(ctx, e.durable, id, rec) })
	switch {
	case outage(err):
		return e.touchAway(ctx, id, rec, err)
	case err != nil:
		return err
	}
	v, err := e.latest(ctx)
	if err == nil && e.usable(v) {
		_ = e.onFast(ctx, func() error { return touch(ctx, e.fast, v.key(id), rec) }) // else it ends there, and is filled in again
	}
	return err
}

func touch(ctx context.Context, h session.Handler, id session.ID, rec session.Record) error {
	if t, ok := h.(session.Toucher); ok {
		return t.Touch(ctx, id, rec)
	}
	return errors.ErrUnsupported
}

// Destroy removes a session from everywhere.
func (e *engine) Destroy(ctx context.Context, id session.ID) error {
	err := e.destroy(ctx, id)
	if outage(err) {
		return e.destroyAway(ctx, id, err)
	}
	e.recent.end(id)
	if err != nil || !e.journal.has(id) {
		return err
	}
	own, err := e.journal.read(ctx, id)
	if err != nil || !own.ok {
		return err
	}
	return e.journal.settled(ctx, id, own)
}

// destroy removes a session from the cache and from the durable store. If the state turns out to have changed meanwhile it
// begins anew.
func (e *engine) destroy(ctx context.Context, id session.ID) error {
	for {
		v, err := e.latest(ctx)
		if err != nil {
			return err
		}
		if !e.own() && !v.past() {
			if err := e.tell(ctx, func() error { return e.bury(ctx, v, id) }); err != nil {
				return err
			}
		}
		if err := e.noteEnd(ctx, id); err != nil {
			return err
		}
		if err := e.onDurable(ctx, func() error { return e.durable.Destroy(ctx, id) }); err != nil {
			return err
		}
		if e.own() || v.reliable(e.clock.Now()) {
			return nil
		}
		now, err := e.look(ctx)
		if err != nil {
			return err
		}
		if now.past() || now.Generation == v.Generation && !v.past() {
			return nil
		}
	}
}
