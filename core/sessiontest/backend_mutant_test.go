package sessiontest_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

const maxBytes = 1 << 18

// full is a Handler with all its capabilities.
type full interface {
	session.Handler
	session.Toucher
	session.Pinger
	session.Locker
	io.Closer
}

// world is what the nodes of one run share beside the store.
type world struct {
	garbled sync.Map // ids of sessions that are no records any more
	shown   sync.Map // version -> the record that Read shows, see showing
	created sync.Map // id -> the record that created it
	held    sync.Map // id -> who holds the lock, see tracked

	queued sync.Mutex
	queue  map[session.ID][]session.LockToken // see immortal
}

// mutant is one node on a memstore. Its functions are what the methods of their names do; to break one, replace it.
type mutant struct {
	full
	*world
	closed atomic.Bool

	read    func(ctx context.Context, id session.ID) (session.Record, error)
	write   func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error
	destroy func(ctx context.Context, id session.ID) error
	gc      func(ctx context.Context, limit int) (int, error)
	touch   func(ctx context.Context, id session.ID, rec session.Record) error
	replica func(ctx context.Context, id session.ID) (session.Record, error)
	ping    func(ctx context.Context) error
	close   func() error

	acquire      func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error)
	writeRelease func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error
	extend       func(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error
	release      func(ctx context.Context, id session.ID, token session.LockToken) error
}

func newMutant(inner full, w *world, spoil func(*mutant)) *mutant {
	m := &mutant{full: inner, world: w}
	m.read, m.write, m.destroy, m.gc, m.touch, m.ping = inner.Read, inner.Write, inner.Destroy, inner.GC, inner.Touch, inner.Ping
	m.replica = inner.Read
	m.acquire, m.writeRelease, m.extend, m.release = inner.Acquire, inner.WriteRelease, inner.Extend, inner.Release
	m.close = func() error { m.closed.Store(true); return nil }
	spoil(m)
	return m
}

// harness makes all handlers of a run nodes on one store, or stores of their own.
func (test mutantTest) harness() sessiontest.Harness {
	w := &world{}
	newStore := func() full { return memstore.New(&memstore.Options{MaxBytes: maxBytes}) }
	shared := newStore()
	h := sessiontest.Harness{
		Open: func(context.Context) (session.Handler, error) {
			if test.local {
				return newMutant(newStore(), &world{}, test.spoil), nil
			}
			return newMutant(shared, w, test.spoil), nil
		},
		Local:   test.local,
		Toucher: true, ReplicaReader: true, Pinger: true, Locker: true, Closer: true,
		MaxBytes:    maxBytes,
		TooLarge:    maxBytes + 1,
		SelfExpires: test.selfExpires,
		Broken: func(context.Context) (session.Handler, error) {
			faulty := sessiontest.NewFaulty(shared)
			for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy, sessiontest.OpGC,
				sessiontest.OpTouch, sessiontest.OpPing, sessiontest.OpAcquire, sessiontest.OpWriteRelease, sessiontest.OpExtend,
				sessiontest.OpRelease} {
				faulty.Before(op, -1, sessiontest.Fail)
			}
			return newMutant(faulty, w, test.spoil), nil
		},
	}
	if !test.local {
		h.Garble = func(_ context.Context, id session.ID) error { w.garbled.Store(id, true); return nil }
	}
	return h
}

func (m *mutant) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if m.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	rec, err := m.read(ctx, id)
	if _, ok := m.garbled.Load(id); ok && err == nil {
		return session.Record{}, session.ErrCorrupt
	}
	return rec, err
}

func (m *mutant) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.write(ctx, id, rec, prev)
}

func (m *mutant) Destroy(ctx context.Context, id session.ID) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	m.garbled.Delete(id)
	return m.destroy(ctx, id)
}

func (m *mutant) GC(ctx context.Context, limit int) (int, error) {
	if m.closed.Load() {
		return 0, session.ErrClosed
	}
	return m.gc(ctx, limit)
}

func (m *mutant) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.touch(ctx, id, rec)
}

func (m *mutant) Ping(ctx context.Context) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.ping(ctx)
}

func (m *mutant) ReadReplica(ctx context.Context, id session.ID) (session.Record, error) {
	if m.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	return m.replica(ctx, id)
}

func (m *mutant) Close() error { return m.close() }

// overwrite changes whatever is alive under id.
func (m *mutant) overwrite(ctx context.Context, id session.ID, rec session.Record) error {
	for {
		cur, err := m.full.Read(ctx, id)
		if err != nil {
			return err
		}
		if err = m.full.Write(ctx, id, rec, cur.Version); !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

// stores makes the mutant store something else than it is given.
func (m *mutant) stores(change func(rec *session.Record)) {
	m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
		change(&rec)
		return m.full.Write(ctx, id, rec, prev)
	}
}

// rename makes the mutant store sessions under other ids.
func (m *mutant) rename(other func(session.ID) session.ID) {
	m.read = func(ctx context.Context, id session.ID) (session.Record, error) { return m.full.Read(ctx, other(id)) }
	m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
		return m.full.Write(ctx, other(id), rec, prev)
	}
	m.destroy = func(ctx context.Context, id session.ID) error { return m.full.Destroy(ctx, other(id)) }
	m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
		return m.full.Touch(ctx, other(id), rec)
	}
	m.renameLocks(other)
}

// showing makes the mutant keep another record than it is given, and show the given one, as a store with wrong
// deadlines does.
func (m *mutant) showing(keep func(id session.ID, rec *session.Record)) {
	m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
		m.shown.LoadOrStore(rec.Version, clone(rec))
		keep(id, &rec)
		err := m.full.Write(ctx, id, rec, prev)
		if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
			conflict.Newest = m.show(conflict.Newest)
		}
		return err
	}
	m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
		if shown, ok := m.shown.Load(rec.Version); ok && rec.Seen.After(shown.(session.Record).Seen) {
			touched := shown.(session.Record)
			touched.Seen = rec.Seen
			m.shown.Store(rec.Version, touched)
		}
		keep(id, &rec)
		return m.full.Touch(ctx, id, rec)
	}
	m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
		rec, err := m.full.Read(ctx, id)
		return m.show(rec), err
	}
	m.showingLocks(keep)
}

// show returns what was given in the place of rec.
func (m *mutant) show(rec session.Record) session.Record {
	if shown, ok := m.shown.Load(rec.Version); ok {
		return clone(shown.(session.Record))
	}
	return rec
}

// failing makes every method return its error through change.
func (m *mutant) failing(change func(id session.ID, rec session.Record, err error) error) {
	m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
		rec, err := m.full.Read(ctx, id)
		return rec, change(id, rec, err)
	}
	m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
		return change(id, rec, m.full.Write(ctx, id, rec, prev))
	}
	m.destroy = func(ctx context.Context, id session.ID) error {
		return change(id, session.Record{}, m.full.Destroy(ctx, id))
	}
	m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
		return change(id, rec, m.full.Touch(ctx, id, rec))
	}
	m.gc = func(ctx context.Context, limit int) (int, error) {
		n, err := m.full.GC(ctx, limit)
		return n, change(session.ID{}, session.Record{}, err)
	}
	m.ping = func(ctx context.Context) error { return change(session.ID{}, session.Record{}, m.full.Ping(ctx)) }
	m.failingLocks(change)
}

// interrupted makes Read take a while, and do something when its context ends meanwhile.
func (m *mutant) interrupted(do func(), answer error) {
	m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
		if ctx.Err() == nil {
			time.Sleep(50 * time.Microsecond)
			if ctx.Err() != nil {
				do()
				if answer != nil {
					return session.Record{}, answer
				}
			}
		}
		return m.full.Read(ctx, id)
	}
}

func clone(rec session.Record) session.Record {
	rec.Payload = slices.Clone(rec.Payload)
	return rec
}
