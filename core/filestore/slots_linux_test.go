//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestSlotsReader changes a file under a reader, at each of its reads, to what it would see of changes that go on meanwhile:
// some slots earlier, some later. What it returns must have been current since the first of these reads.
func TestSlotsReader(t *testing.T) {
	t.Parallel()
	images, recs := history(t, "0", "1", "2", "3", "4", "5", "6", "7")
	whole := func(n int) []byte { return images[n][n%2*slotSize:][:len(images[0])] }
	torn := func(n int) []byte { return slices.Concat(whole(n)[:30], whole(n - 2)[30:]) } // n begins to overwrite n-2
	file := func(even, odd []byte) []byte { return slices.Concat(even, make([]byte, slotSize-len(even)), odd) }
	for _, c := range []struct {
		name string
		sees [][]byte // at its reads; the last one is what stays
		want int
	}{
		{"at rest", [][]byte{file(whole(2), whole(3))}, 3},
		{"one change while it reads", [][]byte{file(whole(4), whole(1))}, 4},
		{"never changed", [][]byte{whole(0)}, 0},
		{"the writer has died", [][]byte{file(torn(4), whole(3)), file(torn(4), whole(3))}, 3},
		{"the writer has died in the first change", [][]byte{file(whole(0), make([]byte, 100))}, 0},
		{"2 before it began, 3 and half of 4 since", [][]byte{file(torn(4), whole(1)), file(whole(4), whole(3))}, 4},
		{"the same, and half of 6 then", [][]byte{file(torn(4), whole(1)), file(torn(6), whole(5))}, 5},
		{"the same, and half of 5 then", [][]byte{file(torn(4), whole(1)), file(whole(4), torn(5)), file(whole(4), whole(5))}, 5},
		{"both torn", [][]byte{file(torn(4), torn(5)), file(whole(6), whole(5))}, 6},
		{"never at rest, until it has the lock", [][]byte{file(torn(4), whole(1)), file(whole(4), torn(5)), file(torn(6), whole(5)),
			file(whole(6), whole(7))}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t, nil)
			create(t, s, session.ID{1}, "makes the folder")
			reads := 0
			r := &tracer{dir: dir, onRead: func() {
				if reads < len(c.sees) {
					must(t, os.WriteFile(pathOf(dir, session.ID{1}), c.sees[reads], 0o600))
				}
				reads++
			}}
			must(t, os.WriteFile(pathOf(dir, session.ID{1}), c.sees[0], 0o600))
			r.trace(t, func(func()) error {
				rec, err := s.Read(t.Context(), session.ID{1})
				if err == nil && rec.Version != recs[c.want].Version {
					err = fmt.Errorf("it has read %q, want %q", rec.Payload, recs[c.want].Payload)
				}
				return err
			})
			if reads != len(c.sees) {
				t.Errorf("%d reads, want %d", reads, len(c.sees))
			}
			if names := list(t, filepath.Join(dir, "quarantine")); len(names) > 0 {
				t.Errorf("the quarantine holds %q", names)
			}
		})
	}
}

// childFullSlot has the disk become full in the middle of a slot, twice. The record in the other slot stays, and once there is
// room again, the slot that was written by half is the next to be written.
func childFullSlot(dir string) error {
	ctx, cancel := testContext()
	defer cancel()
	signal.Ignore(syscall.SIGXFSZ)
	s, err := filestore.New(filepath.Join(dir, "sessions"), &filestore.Options{NoSync: true})
	if err != nil {
		return err
	}
	path, old := pathOf(filepath.Join(dir, "sessions"), faultID), record(strings.Repeat("old", 100))
	if err := s.Write(ctx, faultID, old, session.Version{}); err != nil {
		return err
	}
	first, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	const room = 512 + 100 // of the second slot 100 bytes
	for range 2 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: limit.Max}); err != nil {
			return err
		}
		err = s.Write(ctx, faultID, record(strings.Repeat("new", 100)), old.Version)
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("change: got error %w, want ErrUnavailable", err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) != room || string(data[:len(first)]) != string(first) {
			return fmt.Errorf("%d bytes are there, or the whole slot was written, error %w", len(data), err)
		}
		if rec, err := s.Read(ctx, faultID); err != nil || rec.Version != old.Version || string(rec.Payload) != string(old.Payload) {
			return fmt.Errorf("read after half a change: %.20q, error %w", rec.Payload, err)
		}
	}
	if err := s.Write(ctx, faultID, record(strings.Repeat("new", 100)), old.Version); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil || len(data) <= room || string(data[:len(first)]) != string(first) {
		return fmt.Errorf("the change went elsewhere: %d bytes, error %w", len(data), err)
	}
	if rec, err := s.Read(ctx, faultID); err != nil || !strings.HasPrefix(string(rec.Payload), "new") {
		return fmt.Errorf("read: %.20q, error %w", rec.Payload, err)
	}
	return errors.Join(s.Destroy(ctx, faultID), s.Close())
}

// TestFaultSeen lets the time fail that a change in place sets in the end: an error, and the record is there, seen later at most.
func TestFaultSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out := startChild(t, "seen fails", dir).wait(t); out != "" {
		t.Fatal(out)
	}
	s := openStore(t, dir, nil)
	rec := wantPayload(t, s, faultID, "new")
	must(t, s.Write(t.Context(), faultID, record("newer"), rec.Version))
}

func childSeenFails(dir string) error {
	ctx, cancel := testContext()
	defer cancel()
	s, err := filestore.New(dir, &filestore.Options{NoSync: true})
	if err != nil {
		return err
	}
	old, next := record("old"), record("new")
	if err := s.Write(ctx, faultID, old, session.Version{}); err != nil {
		return err
	}
	if err := (fault{call: syscall.SYS_UTIMENSAT, errno: syscall.EROFS}).install(); err != nil {
		return err
	}
	if err := s.Write(ctx, faultID, next, old.Version); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("change: got error %w, want ErrUnavailable with EROFS", err)
	}
	rec, err := s.Read(ctx, faultID)
	if err != nil || rec.Version != next.Version || rec.Seen.Before(next.Seen) {
		return fmt.Errorf("read: version %x, seen %v, error %w", rec.Version, rec.Seen, err)
	}
	return s.Write(ctx, faultID, next, old.Version) // applied before
}
