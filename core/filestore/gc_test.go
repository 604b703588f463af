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

// plant stores a record without the store, which refuses expired ones.
func plant(t testing.TB, s *filestore.Store, dir string, id session.ID, rec session.Record) {
	t.Helper()
	if _, err := os.Lstat(filepath.Dir(pathOf(dir, id))); err != nil {
		create(t, s, session.ID{id[0], 0xff}, "makes the folder")
	}
	must(t, os.WriteFile(pathOf(dir, id), session.AppendRecord(nil, &rec), 0o600))
	age(t, pathOf(dir, id), rec.Seen)
}

func plantExpired(t testing.TB, s *filestore.Store, dir string, id session.ID) {
	t.Helper()
	rec := record("expired")
	rec.Created, rec.Seen = rec.Created.Add(-48*time.Hour), rec.Seen.Add(-48*time.Hour)
	plant(t, s, dir, id, rec)
}

// TestGCRound has few expired sessions among many. How many files a call looks at shows in the garbage that it takes
// away. Calls go on where the one before stopped, and find all in one round.
func TestGCRound(t *testing.T) {
	t.Parallel()
	const garbage, expired, most = 2500, 3, 1024 + 16
	s, dir := newStore(t, &filestore.Options{NoSync: true})
	for i := range byte(expired) {
		plantExpired(t, s, dir, session.ID{i, 0xee, i})
	}
	for i := range garbage {
		must(t, os.WriteFile(pathOf(dir, session.ID{byte(i % expired), byte(i >> 8), byte(i)}), []byte("garbage"), 0o600))
	}
	left := func() (n int) {
		for b := range byte(expired) {
			n += len(list(t, filepath.Dir(pathOf(dir, session.ID{b})))) - 2 // the lock, and the session that made the folder
		}
		return n
	}
	removed, before := 0, left()
	for before > 0 {
		n, err := s.GC(t.Context(), 1)
		if n < 0 || n > 1 || err != nil {
			t.Fatalf("GC: got %d, error %v", n, err)
		}
		removed += n
		after := left()
		if before-after > most {
			t.Fatalf("a call that may look at %d files took away %d", most, before-after)
		}
		if n == 0 && after > 0 && before-after < most-4*expired {
			t.Fatalf("a call took away %d files, and %d were left", before-after, after)
		}
		before = after
	}
	if removed != expired {
		t.Errorf("a round removed %d of %d", removed, expired)
	}
}

// TestGCLeftovers plants what crashed processes leave behind, among what is not ours.
func TestGCLeftovers(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{9}
	create(t, s, id, "payload")
	temp := func(folder string, old time.Duration) string {
		return filepath.Join(dir, folder, fmt.Sprintf("tmp-%019d-0123456789abcdef", time.Now().Add(-old).UnixNano()))
	}
	fate := map[string]bool{ // whether it stays
		temp("09", 2*time.Hour):                            false,
		temp("09", 30*time.Minute):                         true,
		temp("09", -time.Minute):                           true,
		temp("", 2*time.Hour):                              false,
		temp("", 30*time.Minute):                           true,
		filepath.Join(dir, "09", "tmp-"):                   true,
		filepath.Join(dir, "09", "notes of the operator"):  true,
		filepath.Join(dir, "notes of the operator"):        true,
		filepath.Join(dir, "quarantine", "notes of his"):   true,
		filepath.Join(dir, "09", "lock"):                   true,
		filepath.Join(dir, "quarantine", "0000000000001-"): false,
	}
	for path := range fate {
		f, err := os.OpenFile(path, os.O_CREATE, 0o600)
		must(t, err)
		must(t, f.Close())
	}
	if n, err := s.GC(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("GC: got %d, error %v", n, err)
	}
	for path, stays := range fate {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: still there: %v, want %v", path[len(dir):], err == nil, stays)
		}
	}
	wantPayload(t, s, id, "payload")
}

// TestGCGarbage says that GC takes garbage that nobody reads out of the way.
func TestGCGarbage(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{9}
	create(t, s, id, "payload")
	must(t, os.WriteFile(pathOf(dir, id), []byte("garbage"), 0o600))
	if n, err := s.GC(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("GC: got %d, error %v", n, err)
	}
	wantError(t, readError(t, s, id), session.ErrNotFound, dir)
	if got := list(t, filepath.Join(dir, "quarantine")); len(got) != 1 {
		t.Errorf("the quarantine holds %d files, want 1", len(got))
	}
}

// TestGCReplacedFolder says that GC of a process that does nothing else sees a folder that was deleted and made anew.
func TestGCReplacedFolder(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	create(t, s, session.ID{9}, "payload")
	must(t, os.RemoveAll(filepath.Join(dir, "09")))
	plantExpired(t, openStore(t, dir, nil), dir, session.ID{9, 1})
	if n, err := s.GC(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("GC: got %d, error %v, want 1", n, err)
	}
}
