package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// errApplied says that the record is stored already.
var errApplied = errors.New("applied before")

// errMoved says that the session is not in the file any more that was to be changed.
var errMoved = errors.New("in another file now")

// write applies the rules of session.Handler's Write, all but making the new name durable. With a token it applies those
// of session.Locker's WriteRelease.
func (f *folder) write(ctx context.Context, name string, rec *session.Record, prev session.Version, token *session.LockToken) error {
	flag := os.O_RDONLY
	if f.store.opts.NoSync {
		flag = os.O_RDWR
	}
	// First without the lock: it spares a refused write the work, and everybody else the wait.
	was, err := f.find(ctx, name, flag)
	defer was.close()
	if token == nil {
		err = admit(rec, prev, was.record(), err)
	}
	if err != nil {
		return err
	}
	if len(rec.Payload) > f.store.opts.MaxBytes {
		return fmt.Errorf("%w: %d bytes, the file store takes %d", session.ErrTooLarge, len(rec.Payload), f.store.opts.MaxBytes)
	}
	if expired(rec) {
		return session.ErrNotFound
	}
	slot := newSlot(rec)
	// A renewed session leaves nothing in the other slot.
	if f.store.opts.NoSync && was != nil && rec.Successor.IsZero() && was.slots.takes(slot) {
		err = f.publish(ctx, name, was, rec, prev, token, func(same bool) error {
			if !same {
				return errMoved
			}
			return f.overwrite(was, slot, name, rec.Seen)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	temp, err := f.stage(slot, rec.Seen)
	if err != nil {
		return err
	}
	err = f.publish(ctx, name, was, rec, prev, token, func(bool) error { return f.rename(temp, name) })
	if err != nil {
		_ = f.root.Remove(temp) // else GC does
	}
	return err
}

// admit tells whether rec may replace what is stored, which was read with the error err.
func admit(rec *session.Record, prev session.Version, stored *session.Record, err error) error {
	switch {
	case errors.Is(err, session.ErrNotFound) && prev.IsZero():
		return nil
	case err != nil:
		return err
	case stored.Version == rec.Version:
		return errApplied
	case prev.IsZero():
		return &session.ConflictError{Err: session.ErrExists, Newest: *stored}
	case stored.Version != prev:
		return &session.ConflictError{Err: session.ErrConflict, Newest: *stored}
	}
	return nil
}

// stage writes a new file, complete and durable, or with slots for changes that need not be, and returns its temporary name.
func (f *folder) stage(slot []byte, seen time.Time) (temp string, err error) {
	temp = tempName(time.Now())
	file, err := f.createFile(temp)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errStale
	}
	if err != nil {
		return "", unavailable("a session cannot be created", err)
	}
	data := slot[slotHeader:]
	if size := slotSize(slot); f.store.opts.NoSync && size <= slotMost {
		fill(slot, size, 1)
		data = slot
	}
	_, err = file.WriteAt(data, 0)
	if err == nil {
		err = f.setSeen(temp, seen)
	}
	if err == nil && !f.store.opts.NoSync {
		err = file.Sync() // never tried again: the kernel may have dropped the data and forgotten the error
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = f.root.Remove(temp) // else GC does
		return "", unavailable("a session cannot be written", err)
	}
	return temp, nil
}

// overwrite puts a record into the slot that is not the newest. The lock is held, and was is what the name leads to.
func (f *folder) overwrite(was *found, slot []byte, name string, seen time.Time) error {
	fill(slot, was.slots.size, was.slots.seq+1)
	if _, err := was.file.WriteAt(slot, int64(1-was.slots.newest)*int64(was.slots.size)); err != nil {
		return err
	}
	return f.setSeen(name, seen)
}

// publish runs put, which makes a record the session's, if it still may be. What had the name before was read by the caller,
// or nil; put is told whether the session is in that file still.
func (f *folder) publish(ctx context.Context, name string, was *found, rec *session.Record, prev session.Version,
	token *session.LockToken, put func(same bool) error) error {
	return f.locked(ctx, func() error {
		stored, same, err := f.again(name, was)
		if token != nil {
			err = f.admitHolder(name, rec, prev, &stored, err, *token)
		} else if err = admit(rec, prev, &stored, err); err == nil && prev.IsZero() {
			err = f.removeLease(name) // of an expired session
		}
		if err == nil {
			err = f.replace(ctx, same, put)
		}
		if token != nil && (err == nil || errors.Is(err, errApplied)) {
			return cmp.Or(f.release(name, *token, false), err)
		}
		return err
	})
}

// admitHolder is admit for whoever holds, or has held, the lock of the session.
func (f *folder) admitHolder(name string, rec *session.Record, prev session.Version, stored *session.Record, err error, token session.LockToken) error {
	if err != nil {
		return err
	}
	err = admit(rec, prev, stored, nil)
	if errors.Is(err, errApplied) {
		return err
	}
	l, failed := f.lease(name)
	switch {
	case failed != nil:
		return failed
	case l.Token != token:
		return session.ErrLockLost
	}
	return err
}

// replace runs put for publish.
func (f *folder) replace(ctx context.Context, same bool, put func(same bool) error) error {
	if err := ctx.Err(); err != nil { // the last chance to obey
		return unavailable("", err)
	}
	err := put(same)
	if err != nil && !errors.Is(err, errMoved) {
		return unavailable("a session cannot be replaced", err)
	}
	return err
}

// setSeen stores the time in the file's mtime.
func (f *folder) setSeen(name string, seen time.Time) error {
	seen = seen.Truncate(time.Millisecond)
	return f.root.Chtimes(name, seen, seen)
}

// sync makes the names in the folder durable, if the store is to be.
func (f *folder) sync() error {
	if f.store.opts.NoSync {
		return nil
	}
	return syncOpen(f.dir)
}

const tempPrefix = "tmp-"

// tempName returns a name that nobody has and that tells when it was made.
func tempName(now time.Time) string {
	return fmt.Sprintf("%s%019d-%016x", tempPrefix, now.UnixNano(), rand.Uint64())
}
