package filestore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Read implements session.Handler. It takes no lock and writes nothing, unless it meets garbage, which it moves to the
// quarantine.
func (s *Store) Read(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = s.in(ctx, id, false, func(f *folder, name string) (err error) {
		rec, err = f.session(ctx, name)
		if errors.Is(err, session.ErrNotFound) && !f.live() {
			return errStale
		}
		return err
	})
	return rec, err
}

// Write implements session.Handler. It syncs the new file and its folder, unless Options.NoSync is set.
func (s *Store) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	return s.in(ctx, id, prev.IsZero(), func(f *folder, name string) error {
		return f.durably(f.write(ctx, name, &rec, prev, nil))
	})
}

// durably ends a write with the result err.
func (f *folder) durably(err error) error {
	if err == nil || errors.Is(err, errApplied) { // who applied it may have died before this
		return f.sync()
	}
	return err
}

// Touch implements session.Toucher. It sets the file's mtime and syncs nothing. It never sets Seen back.
func (s *Store) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	return s.in(ctx, id, false, func(f *folder, name string) error {
		return f.locked(ctx, func() error {
			stored, err := f.alive(name)
			seen := rec.Seen.Truncate(time.Millisecond)
			if err != nil || stored.Version != rec.Version || !seen.After(stored.Seen) {
				return err
			}
			if err := f.setSeen(name, seen); err != nil {
				return unavailable("a session cannot be touched", err)
			}
			return nil
		})
	})
}

// Destroy implements session.Handler. It needs no space, so it works on a full disk, and it removes whatever has the
// session's name, readable or not.
func (s *Store) Destroy(ctx context.Context, id session.ID) error {
	err := s.destroy(ctx, id, func(*folder, string) error { return nil })
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

// DestroyVersion is Destroy for a session that still has a certain version. If it has another one, the error is a
// session.ConflictError, and if it is not there, session.ErrNotFound.
func (s *Store) DestroyVersion(ctx context.Context, id session.ID, version session.Version) error {
	return s.destroy(ctx, id, func(f *folder, name string) error {
		stored, err := f.alive(name)
		if err == nil && stored.Version != version {
			return &session.ConflictError{Err: session.ErrConflict, Newest: stored}
		}
		return err
	})
}

// destroy removes a session of which may does not say otherwise.
func (s *Store) destroy(ctx context.Context, id session.ID, may func(f *folder, name string) error) error {
	return s.in(ctx, id, false, func(f *folder, name string) error {
		err := f.locked(ctx, func() error {
			if err := may(f, name); err != nil {
				return err
			}
			err := f.remove(name)
			if err == nil || errors.Is(err, session.ErrNotFound) {
				return f.removeLease(name)
			}
			return err
		})
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return err
		}
		return cmp.Or(f.sync(), err) // also if it was absent: an earlier call may have failed here
	})
}

// remove unlinks a file.
func (f *folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil {
		return opening(err)
	}
	return nil
}

// in runs do with the folder and the file name of a session, and again when the folder was replaced meanwhile. If there
// is no folder and create is not set, the error is ErrNotFound.
func (s *Store) in(ctx context.Context, id session.ID, create bool, do func(f *folder, name string) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	name := string(id.AppendHex(make([]byte, 0, idLen)))
	for range 3 {
		f, err := s.folder(id[0], create)
		if err == nil {
			err = do(f, name)
		}
		if !errors.Is(err, errStale) {
			return err
		}
		s.forget(id[0], f)
	}
	return unavailable("", errStale)
}
