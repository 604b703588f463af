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
//   - What the cache has is only ever replaced by something newer, and a destroyed session leaves a mark that is newer
//     than everything, so a late copy harms nobody.
type engine struct {
	fast, durable session.Handler
	locker        session.Locker // of the durable store, or nil
	clock         Clock
	random        io.Reader
	node          string
	rules         rules
	report        func(event)
	closed        atomic.Bool

	fastHealth, durableHealth breaker

	mu    sync.Mutex
	view  view                // the state as it was read last
	until time.Time           // until when our own word certainly stands in the state; zero if it does not
	since time.Time           // when it was given first
	beats map[string]lastBeat // of other nodes that have given theirs
}

// Clock tells the time. Its readings have to grow, whatever happens to the clock on the wall: time.Now is one.
type Clock interface {
	Now() time.Time
}

// rules are those parts of the protocol that the simulation leaves out in turn, to show that it would be noticed.
type rules struct {
	noWord    bool // write past the cache without a word
	noFresh   bool // acknowledge by an old state
	noReread  bool // tell the cache what was stored before the state was read
	noMark    bool // a destroyed session leaves no mark
	sameName  bool // keep the generation when a word is taken back
	shortWord bool // take a word back at once
	noNewer   bool // let an older copy replace a newer one
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

func newEngine(fast, durable session.Handler, clock Clock, random io.Reader, report func(event)) *engine {
	e := &engine{fast: fast, durable: durable, clock: clock, random: random, report: report, beats: make(map[string]lastBeat)}
	e.locker, _ = durable.(session.Locker)
	e.node = e.draw()
	e.fastHealth.name, e.fastHealth.slow, e.durableHealth.name = "fast", slow, "durable"
	return e
}

// Read returns what the cache has, if that can be relied on, else what is stored.
func (e *engine) Read(ctx context.Context, id session.ID) (session.Record, error) {
	v := e.current()
	relied := v.reliable(e.clock.Now()) && e.fastHealth.up()
	fill := false
	if relied {
		rec, err := e.cached(ctx, v, id)
		if err == nil && !isMark(rec) {
			return rec, nil
		}
		fill = err != nil && !outage(err)
	}
	rec, err := e.stored(ctx, id)
	switch {
	case err == nil && fill:
		e.fill(ctx, v, id, rec)
	case outage(err) && !relied && v.Generation != "" && ctx.Err() == nil:
		return e.unverified(ctx, v, id, err)
	}
	return rec, err
}

// cached reads the cache. What is no session there is like nothing at all.
func (e *engine) cached(ctx context.Context, v view, id session.ID) (session.Record, error) {
	var rec session.Record
	err := e.onFast(ctx, func() (err error) { rec, err = e.fast.Read(ctx, v.key(id)); return err })
	if errors.Is(err, session.ErrCorrupt) {
		_ = e.onFast(ctx, func() error { return e.fast.Destroy(ctx, v.key(id)) })
	}
	return rec, err
}

// stored reads the durable store.
func (e *engine) stored(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = e.onDurable(ctx, func() (err error) { rec, err = e.durable.Read(ctx, id); return err })
	return rec, err
}

// unverified reads the cache although it cannot be relied on, as the durable store has been away for a while: nobody can
// write past the cache meanwhile, unless for some node it is just the other way round.
func (e *engine) unverified(ctx context.Context, v view, id session.ID, away error) (session.Record, error) {
	if v.past() || e.durableHealth.up() || !e.fastHealth.up() {
		return session.Record{}, away
	}
	rec, err := e.cached(ctx, v, id)
	if err != nil || isMark(rec) {
		return session.Record{}, away
	}
	return rec, nil
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

// Write stores rec in the durable store, and then in the cache.
func (e *engine) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	v := e.current()
	err := e.onDurable(ctx, func() error { return e.durable.Write(ctx, id, rec, prev) })
	return e.written(ctx, v, id, rec, prev, err)
}

// written tells the cache of a write that began under a view, or of the one that was in its way.
func (e *engine) written(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version, err error) error {
	switch conflict, ok := errors.AsType[*session.ConflictError](err); {
	case err == nil:
		return e.publish(ctx, v, id, rec, prev)
	case ok && !conflict.Newest.Version.IsZero(): // perhaps whoever wrote it died before they could
		if v.reliable(e.clock.Now()) && e.fastHealth.up() {
			_ = e.put(ctx, v.key(id), conflict.Newest, prev)
		}
	}
	return err
}

// Touch keeps a session alive in the durable store, which knows whether it is there, and then in the cache. While the
// durable store is away the cache is better than nothing.
func (e *engine) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	err := e.onDurable(ctx, func() error { return touch(ctx, e.durable, id, rec) })
	if err != nil && !outage(err) {
		return err
	}
	v := e.current()
	if err == nil {
		if v, err = e.recent(ctx); err != nil {
			return err
		}
		if v.past() {
			return nil
		}
	}
	if v.Generation == "" || !e.fastHealth.up() || e.own() {
		return err
	}
	cacheErr := e.onFast(ctx, func() error { return touch(ctx, e.fast, v.key(id), rec) })
	if cacheErr == nil {
		return nil
	}
	return err // nothing that the cache says of a session is certain now
}

func touch(ctx context.Context, h session.Handler, id session.ID, rec session.Record) error {
	if t, ok := h.(session.Toucher); ok {
		return t.Touch(ctx, id, rec)
	}
	return errors.ErrUnsupported
}

// Destroy removes a session from the cache and from the durable store. If the state turns out to have changed meanwhile it
// begins anew.
func (e *engine) Destroy(ctx context.Context, id session.ID) error {
	for {
		v, err := e.recent(ctx)
		if err != nil {
			return err
		}
		if !e.own() && !v.past() {
			if err := e.tell(ctx, func() error { return e.bury(ctx, v, id) }); err != nil {
				return err
			}
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

// bury leaves a mark in the cache where a session was, if there was one.
func (e *engine) bury(ctx context.Context, v view, id session.ID) error {
	if e.rules.noMark {
		return e.onFast(ctx, func() error { return e.fast.Destroy(ctx, v.key(id)) })
	}
	_, err := e.cached(ctx, v, id)
	if errors.Is(err, session.ErrNotFound) {
		if _, err := e.stored(ctx, id); errors.Is(err, session.ErrNotFound) {
			return nil // nobody has anything to fill in; else anybody could have marks made
		}
	}
	return e.put(ctx, v.key(id), mark(lastVersion(), e.clock.Now(), markLasts), session.Version{})
}

// publish makes the cache follow what was just stored, in whatever way is needed for others to see it. v is what was known
// before it was stored: if that can be relied on still, the cache was believed all the time. Else the state is read now. If
// the cache is believed by then, others may have stored more when it was not, and have had no reason to tell it to the
// cache; so what is stored now is what goes there.
func (e *engine) publish(ctx context.Context, v view, id session.ID, rec session.Record, prev session.Version) error {
	if e.own() {
		return nil // nobody believes the cache
	}
	if v.reliable(e.clock.Now()) || e.rules.noFresh && v.Generation != "" {
		return e.tell(ctx, func() error { return e.put(ctx, v.key(id), rec, prev) })
	}
	v, err := e.look(ctx)
	if err != nil {
		return err
	}
	if v.past() {
		return nil // nobody believes the cache, and who does later reads what is stored
	}
	if !e.rules.noReread {
		switch rec, err = e.stored(ctx, id); {
		case errors.Is(err, session.ErrNotFound):
			rec = mark(lastVersion(), e.clock.Now(), markLasts)
		case err != nil:
			return err
		}
	}
	return e.tell(ctx, func() error { return e.put(ctx, v.key(id), rec, session.Version{}) })
}

// tell does something to the cache, or gives our word that it is not to be believed.
func (e *engine) tell(ctx context.Context, do func() error) error {
	if e.fastHealth.up() {
		if err := do(); err == nil || e.rules.noWord {
			return nil
		}
		if ctx.Err() != nil {
			return unavailable(ctx.Err())
		}
	}
	return e.giveWord(ctx)
}

// put makes the cache have rec, or something newer.
func (e *engine) put(ctx context.Context, key session.ID, rec session.Record, prev session.Version) error {
	for range 100 { // each time somebody else has written something newer than what was there
		err := e.onFast(ctx, func() error { return e.fast.Write(ctx, key, rec, prev) })
		conflict, _ := errors.AsType[*session.ConflictError](err)
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
		default:
			return err
		}
		var newest session.Record
		if conflict != nil {
			newest = conflict.Newest
		}
		if newest.Version.IsZero() {
			err := e.onFast(ctx, func() (err error) { newest, err = e.fast.Read(ctx, key); return err })
			switch {
			case errors.Is(err, session.ErrNotFound):
				prev = session.Version{}
				continue
			case err != nil:
				return err
			}
		}
		if newer(newest.Version, rec.Version) && !e.rules.noNewer {
			return nil
		}
		prev = newest.Version
	}
	return errBusy
}
