package filestore

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// A call of GC looks at scanLeast + limit * scanEach files.
	scanLeast = 1024
	scanEach  = 16
	scanMost  = 1 << 20 // a higher limit counts as this one
	scanBatch = 128     // listed at a time

	leftoverAge = time.Hour
	// foreignAge is when a file that only another version of the library can read is given up: cookies live for 400
	// days at most (RFC 6265bis, 5.5).
	foreignAge = 400 * 24 * time.Hour
)

// sweep is where GC stands in its round through the folders.
type sweep struct {
	turn  chan struct{} // held by the call that goes on
	shard byte
	dir   *os.File // the folder of shard; nil at its beginning
	names []string // listed and not looked at
}

// newSweep begins anywhere, so that several processes do not do the same work.
func newSweep() sweep { return sweep{turn: make(chan struct{}, 1), shard: byte(rand.N(256))} }

// skip goes on to the next folder.
func (w *sweep) skip() {
	w.stop()
	w.shard++
}

func (w *sweep) stop() {
	if w.dir != nil {
		_ = w.dir.Close()
	}
	w.dir, w.names = nil, nil
}

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

// next returns the next name in the folder, or io.EOF at its end.
func (s *Store) next() (string, error) {
	w := &s.sweep
	if w.dir == nil {
		if w.shard == 0 {
			if err := s.tidy(time.Now()); err != nil {
				return "", err
			}
		}
		f, err := s.folder(w.shard, false)
		if errors.Is(err, session.ErrNotFound) {
			return "", io.EOF
		}
		if err != nil {
			return "", err
		}
		if w.dir, err = f.root.Open("."); err != nil {
			return "", unavailable("a folder cannot be opened", err)
		}
	}
	if len(w.names) == 0 {
		var err error
		if w.names, err = w.dir.Readdirnames(scanBatch); errors.Is(err, io.EOF) {
			return "", io.EOF
		} else if err != nil {
			return "", unavailable("a folder cannot be listed", err)
		}
	}
	name := w.names[0]
	w.names = w.names[1:]
	return name, nil
}

// collect removes the file if it is an expired session, which it reports, or left over.
func (s *Store) collect(ctx context.Context, name string) (removed bool, err error) {
	f, err := s.folder(s.sweep.shard, false)
	if err != nil {
		return false, nil // deleted since it was listed
	}
	if made, ok := strings.CutPrefix(name, tempPrefix); ok {
		if older(made, time.Now(), leftoverAge) {
			_ = f.root.Remove(name) // a writer that slept that long fails without harm
		}
		return false, nil
	}
	if len(name) != 2*len(session.ID{}) { // the lock, or not ours
		return false, nil
	}
	if over, err := f.over(name); !over && !isGarbage(err) {
		return false, err
	}
	if err := f.lock(ctx); err != nil {
		s.sweep.skip() // else it would wait again for each file
		if errors.Is(err, errStale) {
			return false, nil
		}
		return false, err
	}
	defer f.unlock()
	over, err := f.over(name) // it may have been written or touched since
	if isGarbage(err) {
		f.setAside(name)
		return false, nil
	}
	if !over {
		return false, err
	}
	err = f.remove(name)
	if errors.Is(err, session.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
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

// tidy removes what crashed calls of Ping left behind, and trims the quarantine.
func (s *Store) tidy(now time.Time) error {
	d, err := s.base.Open(".")
	if err != nil {
		return unavailable("the session folder cannot be opened", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(scanLeast)
	if err != nil && !errors.Is(err, io.EOF) {
		return unavailable("the session folder cannot be listed", err)
	}
	for _, name := range names {
		if made, ok := strings.CutPrefix(name, tempPrefix); ok && older(made, now, leftoverAge) {
			_ = s.base.Remove(name)
		}
	}
	return s.trimQuarantine(now)
}
