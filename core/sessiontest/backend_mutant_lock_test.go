package sessiontest_test

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func (m *mutant) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
	if m.closed.Load() {
		return session.Lock{}, session.ErrClosed
	}
	lock, err := m.acquire(ctx, id, ask)
	if _, ok := m.garbled.Load(id); ok && err == nil {
		return session.Lock{}, session.ErrCorrupt
	}
	return lock, err
}

func (m *mutant) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.writeRelease(ctx, id, rec, prev, token)
}

func (m *mutant) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.extend(ctx, id, token, lease)
}

func (m *mutant) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	if m.closed.Load() {
		return session.ErrClosed
	}
	return m.release(ctx, id, token)
}

// renameLocks is the part of rename for the methods of a Locker.
func (m *mutant) renameLocks(other func(session.ID) session.ID) {
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		return m.full.Acquire(ctx, other(id), ask)
	}
	m.writeRelease = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
		return m.full.WriteRelease(ctx, other(id), rec, prev, token)
	}
	m.extend = func(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
		return m.full.Extend(ctx, other(id), token, lease)
	}
	m.release = func(ctx context.Context, id session.ID, token session.LockToken) error {
		return m.full.Release(ctx, other(id), token)
	}
}

// showingLocks is the part of showing for the methods of a Locker.
func (m *mutant) showingLocks(keep func(id session.ID, rec *session.Record)) {
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		lock, err := m.full.Acquire(ctx, id, ask)
		lock.Record = m.show(lock.Record)
		return lock, err
	}
	m.writeRelease = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
		m.shown.LoadOrStore(rec.Version, clone(rec))
		keep(id, &rec)
		err := m.full.WriteRelease(ctx, id, rec, prev, token)
		if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
			conflict.Newest = m.show(conflict.Newest)
		}
		return err
	}
}

// failingLocks is the part of failing for the methods of a Locker.
func (m *mutant) failingLocks(change func(id session.ID, rec session.Record, err error) error) {
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		lock, err := m.full.Acquire(ctx, id, ask)
		return lock, change(id, lock.Record, err)
	}
	m.writeRelease = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
		return change(id, rec, m.full.WriteRelease(ctx, id, rec, prev, token))
	}
	m.extend = func(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
		return change(id, session.Record{}, m.full.Extend(ctx, id, token, lease))
	}
	m.release = func(ctx context.Context, id session.ID, token session.LockToken) error {
		return change(id, session.Record{}, m.full.Release(ctx, id, token))
	}
}

// holding is a lock as the mutants of it see it.
type holding struct {
	session.LockRequest
	end time.Time
}

// tracked makes the mutant note who holds what in world.held.
func (m *mutant) tracked() {
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		lock, err := m.full.Acquire(ctx, id, ask)
		if lock.Held {
			m.held.Store(id, holding{ask, time.Now().Add(ask.Lease)})
		}
		return lock, err
	}
	m.release = func(ctx context.Context, id session.ID, token session.LockToken) error {
		m.freed(id, token)
		return m.full.Release(ctx, id, token)
	}
	m.writeRelease = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
		err := m.full.WriteRelease(ctx, id, rec, prev, token)
		if err == nil {
			m.freed(id, token)
		}
		return err
	}
}

func (m *mutant) freed(id session.ID, token session.LockToken) {
	if h, ok := m.holding(id); ok && h.Token == token {
		m.held.Delete(id)
	}
}

// holding returns who holds a session; see tracked.
func (m *mutant) holding(id session.ID) (holding, bool) {
	h, ok := m.held.Load(id)
	if !ok {
		return holding{}, false
	}
	return h.(holding), true
}

// asking makes Acquire ask for something else.
func (m *mutant) asking(change func(ask *session.LockRequest)) {
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		change(&ask)
		return m.full.Acquire(ctx, id, ask)
	}
}

// answering makes Acquire answer something else when it has worked.
func (m *mutant) answering(change func(ctx context.Context, id session.ID, ask session.LockRequest, lock *session.Lock)) {
	inner := m.acquire
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		lock, err := inner(ctx, id, ask)
		if err == nil {
			change(ctx, id, ask, &lock)
		}
		return lock, err
	}
}

// handing makes Wake hand over the lock, as change leaves it. asked is what was stored when the waiter asked.
func (m *mutant) handing(change func(asked, handed *session.Lock)) {
	m.answering(func(ctx context.Context, id session.ID, ask session.LockRequest, lock *session.Lock) {
		if lock.Wake == nil {
			return
		}
		var asked session.Lock
		m.lend(ctx, id, &asked)
		wake, called := make(chan session.Lock, 1), lock.Wake
		lock.Wake = wake
		go func() {
			select {
			case <-called:
			case <-ctx.Done():
				return
			}
			ask.Lease = min(ask.Lease, time.Second) // the waiter may be dead
			handed, err := m.full.Acquire(ctx, id, ask)
			if err != nil || !handed.Held {
				wake <- session.Lock{}
				return
			}
			handed.Expires = time.Now().Add(ask.Lease)
			change(&asked, &handed)
			wake <- handed
		}()
	})
}

// lend makes an answer one that gives the lock.
func (m *mutant) lend(ctx context.Context, id session.ID, lock *session.Lock) {
	if rec, err := m.full.Read(ctx, id); err == nil {
		*lock = session.Lock{Held: true, Record: rec}
	}
}

// writing makes WriteRelease answer something else.
func (m *mutant) writing(change func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken, err error) error) {
	inner := m.writeRelease
	m.writeRelease = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
		return change(ctx, id, rec, prev, token, inner(ctx, id, rec, prev, token))
	}
}
