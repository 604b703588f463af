package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryReserve is what must be left of a budget for a failed call to be tried once more. Every call is idempotent by
// contract, so a repeat is always safe.
const retryReserve = 200 * time.Millisecond

// do makes one store call, unless the Manager is closed or ctx has ended. An answer that the contract does not know is ErrUnavailable:
// it must not open or empty a session.
func (m *Manager) do(ctx context.Context, call func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	err := ctx.Err()
	if err == nil {
		err = call()
	}
	if err != nil && !known(err) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// retry makes a store call, and once more if the store was unavailable and time is left. repeated tells that the first
// call failed, so that it may or may not have been applied.
func (m *Manager) retry(ctx context.Context, call func() error) (repeated bool, err error) {
	err = m.do(ctx, call)
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrMisconfigured) || ctx.Err() != nil {
		return false, err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < retryReserve {
		return false, err
	}
	return true, m.do(ctx, call)
}

func (m *Manager) read(ctx context.Context, id ID) (rec Record, err error) {
	_, err = m.retry(ctx, func() (err error) {
		rec, err = m.store.Read(ctx, id)
		return err
	})
	return rec, err
}

// readReplica reads a session for somebody who only looks, if the store has copies. What is no living session there may be
// one by now: nobody is logged out, or told that the store is away, because of a copy.
func (m *Manager) readReplica(ctx context.Context, id ID, token *secret) (rec Record, old, ok bool) {
	if m.replicas == nil {
		return rec, false, false
	}
	_ = m.do(ctx, func() (err error) {
		rec, err = m.replicas.ReadReplica(ctx, id)
		ok = err == nil
		return nil
	})
	if !ok || !rec.Successor.IsZero() || !time.Now().Before(rec.Deadline()) {
		return rec, false, false
	}
	old, err := m.envelope.open(id, token, &rec)
	return rec, old, err == nil
}

func (m *Manager) write(ctx context.Context, id ID, token *secret, rec Record, prev Version) (repeated bool, err error) {
	m.envelope.seal(id, token, &rec)
	return m.retry(ctx, func() error { return m.store.Write(ctx, id, rec, prev) })
}

// remove makes the store forget a session.
func (m *Manager) remove(ctx context.Context, id ID) error {
	_, err := m.retry(ctx, func() error { return m.store.Destroy(ctx, id) })
	return err
}

// touch keeps rec alive, through the slow path when the store cannot do it without rewriting the data, or that is old and
// should be sealed anew.
func (m *Manager) touch(ctx context.Context, id ID, token *secret, rec Record, old bool) error {
	t, ok := m.store.(Toucher)
	if ok && !old {
		_, err := m.retry(ctx, func() error { return t.Touch(ctx, id, rec) })
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	prev := rec.Version
	rec.Version = m.versions.next(rec.Seen, prev)
	_, err := m.write(ctx, id, token, rec, prev)
	if answered(err, ErrConflict) { // whoever wrote kept it alive
		return nil
	}
	return err
}

// newest returns the record that refused a write: the one that came with the refusal, else a fresh read.
func (m *Manager) newest(ctx context.Context, id ID, refusal error) (Record, error) {
	if c, ok := errors.AsType[*ConflictError](refusal); ok && !c.Newest.Version.IsZero() {
		return c.Newest, nil
	}
	return m.read(ctx, id)
}

// acquire asks for the lock of a session, and once more if there was no answer: the token makes it idempotent.
func (m *Manager) acquire(ctx context.Context, id ID, ask LockRequest) (lock Lock, err error) {
	_, err = m.retry(ctx, func() (err error) {
		lock, err = m.locker.Acquire(ctx, id, ask)
		return err
	})
	return lock, err
}

// later makes a store call that nobody waits for, except Close.
func (m *Manager) later(call func(ctx context.Context) error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return
	}
	m.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), m.o.DestroyTimeout)
		defer cancel()
		_ = call(ctx) // what it was to mend mends itself, in time
	})
}
