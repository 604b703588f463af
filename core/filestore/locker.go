package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/nonstick-go/nonstick/core/lease"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	leaseSuffix = ".lock"
	// A larger file is no lock. Options.MaxBytes is about sessions: a short one may have a long queue.
	leaseMost = 1 << 20
	// A waiter of another process looks after about this time whether its turn has come.
	leasePause = 4 * time.Millisecond
)

// Acquire implements session.Locker. Waiters are not woken: each process looks every 2 to 6 ms whether its turn has come,
// which reads two small files and takes no lock of the folder.
func (s *Store) Acquire(ctx context.Context, id session.ID, ask session.LockRequest) (lock session.Lock, err error) {
	err = s.in(ctx, id, false, func(f *folder, name string) error {
		if l, err := f.readLease(name); err == nil && l.Waits(time.Now(), ask.Token) {
			if _, err := f.alive(name); err == nil {
				lock = session.Lock{Holder: l.Holder}
				return nil
			}
		}
		return f.locked(ctx, func() (err error) {
			lock, err = f.acquire(name, ask)
			return err
		})
	})
	if err == nil && !lock.Held {
		lock.Retry = leasePause/2 + rand.N(leasePause)
	}
	return lock, err
}

// WriteRelease implements session.Locker. It is as durable as Write; the lock itself is not synced.
func (s *Store) WriteRelease(ctx context.Context, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
	return s.in(ctx, id, false, func(f *folder, name string) error {
		return f.durably(f.write(ctx, name, &rec, prev, &token))
	})
}

// Extend implements session.Locker.
func (s *Store) Extend(ctx context.Context, id session.ID, token session.LockToken, lease time.Duration) error {
	return s.in(ctx, id, false, func(f *folder, name string) error {
		return f.locked(ctx, func() error {
			if _, err := f.alive(name); err != nil {
				return err
			}
			l, err := f.lease(name)
			if err != nil {
				return err
			}
			if err := l.Extend(time.Now(), token, lease); err != nil {
				return err
			}
			return f.writeLease(name, l)
		})
	})
}

// Release implements session.Locker. On a full disk the holder's works, as Destroy does; that of a waiter may fail, whose
// place in the queue then ends by itself.
func (s *Store) Release(ctx context.Context, id session.ID, token session.LockToken) error {
	err := s.in(ctx, id, false, func(f *folder, name string) error {
		return f.locked(ctx, func() error { return f.release(name, token, true) })
	})
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// leaseFile is the lock of a session as its file holds it. A missing file is a free lock.
type leaseFile struct {
	lease.State
	data []byte // as read
}

// acquire is Acquire for those who hold the lock of the folder.
func (f *folder) acquire(name string, ask session.LockRequest) (session.Lock, error) {
	rec, err := f.alive(name)
	if isGarbage(err) {
		f.setAside(name)
	}
	if err != nil {
		return session.Lock{}, err
	}
	l, err := f.lease(name)
	if err != nil {
		return session.Lock{}, err
	}
	lock, err := l.Acquire(time.Now(), ask, listens)
	if err == nil {
		err = f.writeLease(name, l)
	}
	if err == nil && lock.Held {
		lock.Record = rec
	}
	return lock, err
}

// release gives up the lock if token has it, or else its place in the queue if that is meant too. The lock of the folder
// is held.
func (f *folder) release(name string, token session.LockToken, place bool) error {
	l, err := f.lease(name)
	if err != nil || l.data == nil {
		return err
	}
	held := l.Token == token
	if !held && !place {
		return nil
	}
	l.Release(time.Now(), token, listens)
	if err = f.writeLease(name, l); err != nil && held {
		// On a full disk rather the queue is lost than the lock kept: those who stand in it ask again soon.
		err = f.removeLease(name)
	}
	return err
}

// listens says of every waiter that it will ask again: nobody can tell, and if not, the next one is served a second later.
func listens(session.LockToken) bool { return true }

// readLease reads the lock of a session. What is no lock is errLease.
func (f *folder) readLease(name string) (*leaseFile, error) {
	data, err := f.read(name+leaseSuffix, leaseMost)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return &leaseFile{}, nil
	case errors.Is(err, session.ErrCorrupt):
		return nil, errLease
	case err != nil:
		return nil, err
	}
	l := &leaseFile{data: data}
	if json.Unmarshal(data, &l.State) != nil {
		return nil, errLease
	}
	return l, nil
}

// errLease says that something else is in the place of a lock.
var errLease = errors.New("not a lock")

// lease is readLease for those who are going to change the lock, and hold the folder's: what is none goes to the
// quarantine and counts as a free one.
func (f *folder) lease(name string) (*leaseFile, error) {
	l, err := f.readLease(name)
	if errors.Is(err, errLease) {
		f.setAside(name + leaseSuffix)
		return &leaseFile{}, nil
	}
	return l, err
}

// writeLease stores the lock of a session unless it is as it was. Others see the old one or the new one.
func (f *folder) writeLease(name string, l *leaseFile) error {
	if l.Free() {
		return f.removeLease(name)
	}
	data, err := json.Marshal(&l.State)
	if err != nil || bytes.Equal(data, l.data) {
		return err
	}
	temp := tempName(time.Now())
	file, err := f.createFile(temp)
	if err != nil {
		return unavailable("a session cannot be locked", err)
	}
	_, err = file.WriteAt(data, 0)
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.rename(temp, name+leaseSuffix)
	}
	if err != nil {
		_ = f.root.Remove(temp) // else GC does
		return unavailable("a session cannot be locked", err)
	}
	return nil
}

// removeLease frees the lock of a session whatever is in its place: what cannot be removed goes to the quarantine.
func (f *folder) removeLease(name string) error {
	err := f.remove(name + leaseSuffix)
	if err == nil || errors.Is(err, session.ErrNotFound) {
		return nil
	}
	f.setAside(name + leaseSuffix)
	if _, gone := f.root.Lstat(name + leaseSuffix); errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	return err
}
