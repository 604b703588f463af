package mysqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nonstick-go/nonstick/core/lease"
	"github.com/nonstick-go/nonstick/core/session"
)

// The lock of a session and its queue are a value in its row, which a statement changes if lock_turn still is what it was
// when the value was read. So there is no transaction that a dead program could leave open, and each step is over at once.

// lockPause is after about what time a waiter looks whether its turn has come.
const lockPause = 10 * time.Millisecond

// Acquire implements session.Locker with two statements, of a waiter mostly with one. Waiters are not woken: each node looks
// every 5 to 15 ms whether its turn has come.
func (s *Store) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return lock, err
	}
	defer end()
	whole, skew := false, time.Duration(0) // how far the server's clock is behind
	err = s.contend(ctx, func() (done bool, err error) {
		row, l, err := s.lockOf(ctx, id, whole, ask.Token)
		if err != nil {
			return true, err
		}
		skew = time.Since(l.now)
		if whole = true; l.Waits(l.now, ask.Token) {
			lock = session.Lock{Holder: l.Holder}
			return true, nil
		}
		if lock, err = l.Acquire(l.now, ask, listens); err != nil {
			return true, err
		}
		if lock.Held {
			if row.data == nil {
				return false, nil // it was somebody else's a moment ago
			}
			if lock.Record, err = decode(row.seen, row.data); err != nil {
				return true, err
			}
		}
		return s.storeLock(ctx, id, row, l)
	})
	if err != nil && !errors.Is(err, session.ErrLocked) {
		return session.Lock{}, err
	}
	if !lock.Holder.Since.IsZero() {
		lock.Holder.Since = lock.Holder.Since.Add(skew)
	}
	if !lock.Held {
		lock.Retry = lockPause/2 + rand.N(lockPause)
	}
	return lock, err
}

// WriteRelease implements session.Locker with two statements.
func (s *Store) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	data, err := s.encode(&rec)
	if err != nil {
		return err
	}
	return s.contend(ctx, func() (done bool, err error) {
		row, l, err := s.lockOf(ctx, id, false, token)
		switch {
		case err != nil:
			return true, err
		case row.version == rec.Version && l.Token != token: // applied before
			return true, nil
		case row.version == rec.Version:
			l.Release(l.now, token, listens)
			return s.storeLock(ctx, id, row, l)
		case l.Token != token:
			return true, session.ErrLockLost
		case prev.IsZero():
			return true, row.refuses(session.ErrExists)
		case row.version != prev:
			return true, row.refuses(session.ErrConflict)
		}
		l.Release(l.now, token, listens)
		n, err := s.exec(ctx, s.sql.stored, rec.Version[:], rec.Seen.UnixMilli(), rec.Deadline().UnixMilli(), data, l.encode(),
			id[:], prev[:], time.Now().UnixMilli(), row.turn)
		return n > 0, err
	})
}

// Extend implements session.Locker with two statements.
func (s *Store) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return s.contend(ctx, func() (done bool, err error) {
		row, l, err := s.lockOf(ctx, id, false, token)
		if err == nil {
			err = l.Extend(l.now, token, lease)
		}
		if err != nil {
			return true, err
		}
		return s.storeLock(ctx, id, row, l)
	})
}

// Release implements session.Locker with two statements. The second one is there also for a token that has nothing: it makes
// an Acquire fail whose caller has given up, and which is still on its way.
func (s *Store) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	err = s.contend(ctx, func() (done bool, err error) {
		row, l, err := s.lockOf(ctx, id, false, token)
		if err != nil {
			return true, err
		}
		l.Release(l.now, token, listens)
		l.was = nil
		return s.storeLock(ctx, id, row, l)
	})
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// listens says of every waiter that it will ask again: nobody can tell, and if not, the next one is served a second later.
func listens(session.LockToken) bool { return true }

// contend runs do until it is done. Whenever it is not, somebody else was faster, so that all together get on.
func (s *Store) contend(ctx context.Context, do func() (done bool, err error)) error {
	for n := 1; ; n++ {
		if done, err := do(); done || err != nil {
			return err
		}
		if n < tries {
			continue
		}
		select {
		case <-ctx.Done():
			return s.failed(ctx, ctx.Err())
		case <-time.After(rand.N(time.Duration(min(n, 20)) * time.Millisecond)):
		}
	}
}

// lockState is the lock of a session as its row holds it.
type lockState struct {
	lease.State
	was []byte    // as read
	now time.Time // by the server's clock
}

// lockOf reads the lock of a session that is alive; see row for whole and token.
func (s *Store) lockOf(ctx context.Context, id session.ID, whole bool, token session.LockToken) (*row, *lockState, error) {
	row, err := s.row(ctx, id, whole, token)
	if err != nil {
		return nil, nil, err
	}
	if row.expires <= time.Now().UnixMilli() {
		return nil, nil, session.ErrNotFound
	}
	l := &lockState{was: row.state, now: time.UnixMicro(row.now)}
	if len(row.state) > 0 && (len(row.state) < len(token) || json.Unmarshal(row.state[len(token):], &l.State) != nil) {
		l.State = lease.State{} // what is no lock counts as a free one
	}
	return row, l, nil
}

// encode returns the lock for its row: the holder's token, which the statement compares, and the rest.
func (l *lockState) encode() []byte {
	if l.Free() {
		return nil
	}
	text, _ := json.Marshal(&l.State) // never fails
	return append(l.Token[:], text...)
}

// storeLock stores the lock that was read with row, unless it is as it was. It reports false if the row has changed.
func (s *Store) storeLock(ctx context.Context, id session.ID, row *row, l *lockState) (done bool, err error) {
	state := l.encode()
	if l.was != nil && bytes.Equal(state, l.was) {
		return true, nil
	}
	n, err := s.exec(ctx, s.sql.locked, state, id[:], row.turn, row.version[:], time.Now().UnixMilli())
	return n > 0, err
}
