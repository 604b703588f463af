package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// errApplied says that the record is stored already.
var errApplied = errors.New("applied before")

// write applies the rules of session.Handler's Write, all but making the new name durable. With a token it applies those
// of session.Locker's WriteRelease.
func (f *folder) write(ctx context.Context, name string, rec *session.Record, prev session.Version, token *session.LockToken) error {
	// First without the lock: it spares a refused write the work, and everybody else the wait.
	was, err := f.find(ctx, name)
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
	temp, err := f.stage(rec)
	if err != nil {
		return err
	}
	if err := f.publish(ctx, temp, name, was, rec, prev, token); err != nil {
		_ = f.root.Remove(temp) // else GC does
		return err
	}
	return nil
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

// stage writes a new file, complete and durable, and returns its temporary name.
func (f *folder) stage(rec *session.Record) (temp string, err error) {
	temp = tempName(time.Now())
	file, err := f.createFile(temp)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errStale
	}
	if err != nil {
		return "", unavailable("a session cannot be created", err)
	}
	_, err = file.Write(session.AppendRecord(make([]byte, 0, len(rec.Payload)+session.RecordOverhead), rec))
	if err == nil {
		err = f.setSeen(temp, rec.Seen)
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

// publish gives a staged record its name if it still may have it. What had the name before was read by the caller, or nil.
func (f *folder) publish(ctx context.Context, temp, name string, was *found, rec *session.Record, prev session.Version, token *session.LockToken) error {
	return f.locked(ctx, func() error {
		stored, err := f.again(name, was)
		if token != nil {
			err = f.admitHolder(name, rec, prev, &stored, err, *token)
		} else if err = admit(rec, prev, &stored, err); err == nil && prev.IsZero() {
			err = f.removeLease(name) // of an expired session
		}
		if err == nil {
			err = f.replace(ctx, temp, name)
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

// replace renames a staged record over what has its name.
func (f *folder) replace(ctx context.Context, temp, name string) error {
	if err := ctx.Err(); err != nil { // the last chance to obey
		return unavailable("", err)
	}
	if err := f.rename(temp, name); err != nil {
		return unavailable("a session cannot be replaced", err)
	}
	return nil
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
