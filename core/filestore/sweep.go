package filestore

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const scanBatch = 128 // names listed at a time

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
		if err == nil && !f.live() {
			s.forget(w.shard, f)
			f, err = s.folder(w.shard, false)
		}
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
