//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// newStore returns a store in a new folder.
func newStore(t testing.TB, opts *filestore.Options) (s *filestore.Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "sessions")
	return openStore(t, dir, opts), dir
}

func openStore(t testing.TB, dir string, opts *filestore.Options) *filestore.Store {
	t.Helper()
	s, err := filestore.New(dir, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// create stores a new session.
func create(t testing.TB, s *filestore.Store, id session.ID, payload string) session.Record {
	t.Helper()
	rec := record(payload)
	if err := s.Write(t.Context(), id, rec, session.Version{}); err != nil {
		t.Fatalf("create a session: %v", err)
	}
	return rec
}

// wantPayload fails unless the session is there and holds payload.
func wantPayload(t testing.TB, s *filestore.Store, id session.ID, payload string) session.Record {
	t.Helper()
	rec, err := s.Read(t.Context(), id)
	if err != nil || string(rec.Payload) != payload {
		t.Fatalf("Read: got payload %.40q, error %v, want payload %.40q", rec.Payload, err, payload)
	}
	return rec
}

// wantError fails unless err is of the given kind and shows neither the folder nor a session.
func wantError(t testing.TB, err, want error, dir string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	if dir != "" && bytes.Contains([]byte(err.Error()), []byte(dir)) {
		t.Errorf("the error shows the folder: %v", err)
	}
}

func readError(t testing.TB, s *filestore.Store, id session.ID) error {
	t.Helper()
	_, err := s.Read(t.Context(), id)
	return err
}

// record returns a record that lives for a day.
func record(payload string) session.Record {
	now := time.Now().Truncate(time.Millisecond)
	return session.Record{Version: version(), Created: now, Seen: now, TTL: 24 * time.Hour, Payload: []byte(payload)}
}

var ticks atomic.Uint64

// version returns a version that no other call in any process of the test returns.
func version() (v session.Version) {
	binary.BigEndian.PutUint64(v[:], ticks.Add(1))
	binary.BigEndian.PutUint64(v[8:], uint64(os.Getpid()))
	return v
}

// pathOf returns the file of a session.
func pathOf(dir string, id session.ID) string {
	name := string(id.AppendHex(nil))
	return filepath.Join(dir, name[:2], name)
}

// list returns the names in a folder.
func list(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// must ends the test on an error of its own set-up.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// age sets the mtime of a file.
func age(t testing.TB, path string, mtime time.Time) {
	t.Helper()
	must(t, os.Chtimes(path, mtime, mtime))
}
