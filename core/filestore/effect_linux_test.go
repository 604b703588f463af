//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestEveryOptionHasAnEffect sets each option in a URL and in Options. The house rules want each of them to have a line.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	type options = filestore.Options
	for option, c := range map[string]struct {
		params string
		o      options
		see    func(*testing.T, *filestore.Store, string) bool
	}{
		"file://?max_bytes":          {"?max_bytes=999", options{}, refusesLarge},
		"filestore.Options.MaxBytes": {"", options{MaxBytes: 999}, refusesLarge},
		"file://?sync":               {"?sync=false", options{}, neverSyncs},
		"filestore.Options.NoSync":   {"", options{NoSync: true}, neverSyncs},
		"file://?lock_wait":          {"?lock_wait=10ms", options{}, givesUp},
		"filestore.Options.LockWait": {"", options{LockWait: 10 * time.Millisecond}, givesUp},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			for _, set := range []bool{false, true} {
				dir := filepath.Join(t.TempDir(), "sessions")
				store := openStore(t, dir, nil)
				switch {
				case set && c.params == "":
					store = openStore(t, dir, &c.o)
				case set:
					h, err := session.Open(t.Context(), "file://"+dir+c.params)
					must(t, err)
					store = h.(*filestore.Store)
					t.Cleanup(func() { _ = store.Close() })
				}
				if got := c.see(t, store, dir); got != set {
					t.Errorf("with the option: %v, and it shows: %v", set, got)
				}
			}
		})
	}
}

func refusesLarge(t *testing.T, s *filestore.Store, _ string) bool {
	rec := record(string(make([]byte, 1000)))
	return errors.Is(s.Write(t.Context(), session.ID{1}, rec, session.Version{}), session.ErrTooLarge)
}

func neverSyncs(t *testing.T, s *filestore.Store, dir string) bool {
	syncs := 0
	for _, op := range traced(t, dir, func(func()) error { return s.Write(t.Context(), session.ID{1}, record("x"), session.Version{}) }) {
		if op.call == syscall.SYS_FSYNC {
			syncs++
		}
	}
	return syncs == 0
}

// givesUp has a lock held for 200 ms, for which the default waits.
func givesUp(t *testing.T, s *filestore.Store, dir string) bool {
	create(t, s, session.ID{3}, "x")
	lock, err := os.OpenFile(filepath.Join(dir, "03", "lock"), os.O_RDWR, 0)
	must(t, err)
	defer lock.Close()
	fd, released := int(lock.Fd()), make(chan struct{})
	must(t, syscall.Flock(fd, syscall.LOCK_EX))
	time.AfterFunc(200*time.Millisecond, func() { _ = syscall.Flock(fd, syscall.LOCK_UN); close(released) })
	defer func() { <-released }()
	return errors.Is(s.Destroy(t.Context(), session.ID{3}), session.ErrUnavailable)
}
