package filestore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// A call of GC looks at scanLeast + limit * scanEach files.
	scanLeast = 1024
	scanEach  = 16
	scanMost  = 1 << 20 // a higher limit counts as this one

	idLen = 2 * len(session.ID{}) // of a file name

	leftoverAge = time.Hour
	// foreignAge is when a file that only another version of the library can read is given up: cookies live for 400
	// days at most (RFC 6265bis, 5.5).
	foreignAge = 400 * 24 * time.Hour
)

// GC implements session.Handler. One call looks at 1,024 + 16 * limit files at most and goes on where the one before it
// stopped, so in a large store several calls make one round, and a number below limit says that these files held no
// more. GC also removes what crashed writers left behind, and trims the quarantine.
func (s *Store) GC(ctx context.Context, limit int) (removed int, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.leave()
	select {
	case s.sweep.turn <- struct{}{}:
		defer func() { <-s.sweep.turn }()
	case <-ctx.Done():
		return 0, unavailable("", ctx.Err())
	}
	ends, scanned, most := 0, 0, scanLeast+scanEach*min(limit, scanMost)
	for removed < limit && scanned < most {
		if err := ctx.Err(); err != nil {
			return removed, unavailable("", err)
		}
		name, err := s.next()
		if errors.Is(err, io.EOF) {
			s.sweep.skip()
			if ends++; ends > len(s.shards) { // the folder where it began is seen twice: its beginning is new
				break
			}
			continue
		}
		if err != nil {
			s.sweep.skip()
			return removed, err
		}
		scanned++
		ok, err := s.collect(ctx, name)
		if ok {
			removed++
		}
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// collect removes the file if it is an expired session, which it reports, or left over.
func (s *Store) collect(ctx context.Context, name string) (removed bool, err error) {
	f, err := s.folder(s.sweep.shard, false)
	if errors.Is(err, session.ErrNotFound) { // deleted since it was listed
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if made, ok := strings.CutPrefix(name, tempPrefix); ok {
		if older(made, time.Now(), leftoverAge) {
			_ = f.root.Remove(name) // a writer that slept that long fails without harm
		}
		return false, nil
	}
	if owner, ok := strings.CutSuffix(name, leaseSuffix); ok && len(owner) == idLen {
		return false, s.collectLease(ctx, f, owner)
	}
	if len(name) != idLen { // the lock of the folder, or not ours
		return false, nil
	}
	if over, err := f.over(name); !over && !isGarbage(err) {
		return false, err
	}
	err = s.collecting(ctx, f, func() error {
		over, err := f.over(name) // it may have been written or touched since
		if isGarbage(err) {
			f.setAside(name)
			return nil
		}
		if !over {
			return err
		}
		if err = f.remove(name); err == nil {
			removed, err = true, f.removeLease(name)
		}
		if errors.Is(err, session.ErrNotFound) {
			return nil
		}
		return err
	})
	return removed, err
}

// collectLease removes the lock of a session that has gone: whoever removed that one died before it came to the lock.
func (s *Store) collectLease(ctx context.Context, f *folder, owner string) error {
	gone := func() bool {
		_, err := f.root.Lstat(owner)
		return errors.Is(err, fs.ErrNotExist)
	}
	if !gone() {
		return nil
	}
	return s.collecting(ctx, f, func() error {
		if !gone() {
			return nil
		}
		if _, err := f.lease(owner); err != nil { // what is no lock goes to the quarantine
			return err
		}
		return f.removeLease(owner)
	})
}

// collecting runs do with the lock of the folder, or skips the folder, where GC would wait again for each file.
func (s *Store) collecting(ctx context.Context, f *folder, do func() error) error {
	if err := f.lock(ctx); err != nil {
		s.sweep.skip()
		if errors.Is(err, errStale) {
			return nil
		}
		return err
	}
	defer f.unlock()
	return do()
}

// over reports whether a session has expired, or can be read by other versions only and was not used for foreignAge. The
// error may be garbage.
func (f *folder) over(name string) (bool, error) {
	rec, err := f.load(name)
	switch {
	case err == nil:
		return expired(&rec), nil
	case errors.Is(err, session.ErrNotFound):
		return false, nil
	case isGarbage(err), !errors.Is(err, session.ErrCorrupt):
		return false, err
	}
	info, err := f.root.Lstat(name)
	return err == nil && time.Since(info.ModTime()) > foreignAge, nil
}
