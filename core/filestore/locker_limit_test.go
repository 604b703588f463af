//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestLeaseSmallLimit says that the limit on the size of a session is none on its lock and queue.
func TestLeaseSmallLimit(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{MaxBytes: 10})
	id := session.ID{11}
	rec := create(t, s, id, "payload")
	a := ask("/a", time.Hour)
	mustHold(t, s, id, a)
	for i := range 10 {
		if lock, err := s.Acquire(t.Context(), id, ask(fmt.Sprintf("/%d", i), time.Hour)); err != nil || lock.Held {
			t.Fatalf("with %d waiting another one gets %+v, error %v", i, lock, err)
		}
	}
	must(t, s.WriteRelease(t.Context(), id, record("changed"), rec.Version, a.Token))
	if names := list(t, filepath.Join(dir, "quarantine")); len(names) > 0 {
		t.Errorf("the lock went to the quarantine: %q", names)
	}
}

// TestLeaseFolder has a folder that is not empty in the place of a lock: it stops nobody.
func TestLeaseFolder(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	block := func(id session.ID) { must(t, os.MkdirAll(filepath.Join(leaseOf(dir, id), "in"), 0o700)) }
	ended, over := session.ID{12, 1}, session.ID{12, 2}
	create(t, s, ended, "payload")
	block(ended)
	must(t, s.Destroy(t.Context(), ended))
	block(ended)
	create(t, s, ended, "anew")
	mustHold(t, s, ended, ask("/a", time.Hour))

	plantExpired(t, s, dir, over)
	block(over)
	if n, err := s.GC(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("GC: got %d, error %v", n, err)
	}
	if names := list(t, filepath.Join(dir, "0c")); len(names) != 3 {
		t.Errorf("the folder holds %q, want a session, its lock and the folder's", names)
	}
}
