//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestCutOff cuts a record at every length and flips each of its bytes.
func TestCutOff(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{1}
	create(t, s, id, "some payload")
	whole, err := os.ReadFile(pathOf(dir, id))
	must(t, err)
	check := func(what string, data []byte) {
		must(t, os.WriteFile(pathOf(dir, id), data, 0o600))
		rec, err := s.Read(t.Context(), id)
		if len(rec.Payload) > 0 {
			t.Fatalf("%s: half a record was read", what)
		}
		wantError(t, err, session.ErrCorrupt, dir)
	}
	for n := range whole {
		check(fmt.Sprintf("cut to %d bytes", n), whole[:n])
		if _, err := os.Lstat(pathOf(dir, id)); err == nil {
			t.Fatalf("cut to %d bytes: not in the quarantine", n)
		}
		flipped := slices.Clone(whole)
		flipped[n] ^= 0x55
		check(fmt.Sprintf("byte %d flipped", n), flipped)
	}
	check("one byte too many", append(slices.Clone(whole), 0))
	must(t, os.WriteFile(pathOf(dir, id), whole, 0o600))
	wantPayload(t, s, id, "some payload")
}

func FuzzFile(f *testing.F) {
	s, dir := newStore(f, &filestore.Options{NoSync: true, MaxBytes: 1000})
	f.Add([]byte{})
	f.Add([]byte("N\x01garbage"))
	f.Add(session.AppendRecord(nil, new(record("payload"))))
	old, slotted := record("slot one"), session.ID{2}
	must(f, s.Write(f.Context(), slotted, old, session.Version{}))
	must(f, s.Write(f.Context(), slotted, record("slot two"), old.Version))
	slots, err := os.ReadFile(pathOf(dir, slotted))
	must(f, err)
	f.Add(slots)
	f.Add(slots[:540])
	f.Fuzz(func(t *testing.T, data []byte) {
		id := session.ID{1}
		must(t, os.MkdirAll(filepath.Dir(pathOf(dir, id)), 0o700))
		must(t, os.WriteFile(pathOf(dir, id), data, 0o600))
		rec, err := s.Read(t.Context(), id)
		if len(rec.Payload) > 1000 || err == nil && len(data) == 0 {
			t.Errorf("read %d bytes, error %v", len(rec.Payload), err)
		}
		must(t, s.Destroy(t.Context(), id))
		wantError(t, readError(t, s, id), session.ErrNotFound, dir)
	})
}

// TestNewerFormat says that a process of an old version leaves alone what a newer one has written.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{1}
	old := create(t, s, id, "payload")
	ours, err := os.ReadFile(pathOf(dir, id))
	must(t, err)
	later := slices.Clone(ours)
	later[1] = 3 // 2 is a file with slots
	flags := slices.Clone(ours)
	flags[18] |= 0x80
	binary.BigEndian.PutUint32(flags[len(flags)-4:], crc32.Checksum(flags[:len(flags)-4], crc32.MakeTable(crc32.Castagnoli)))
	for name, data := range map[string][]byte{"later format": later, "unknown flag, right checksum": flags} {
		must(t, os.WriteFile(pathOf(dir, id), data, 0o600))
		touched := old
		touched.Seen = old.Seen.Add(time.Minute)
		for call, err := range map[string]error{
			"Read":   readError(t, s, id),
			"Create": s.Write(t.Context(), id, record("new"), session.Version{}),
			"Change": s.Write(t.Context(), id, record("new"), old.Version),
			"Touch":  s.Touch(t.Context(), id, touched),
		} {
			if err == nil {
				t.Errorf("%s: %s: no error", name, call)
			}
			wantError(t, err, session.ErrCorrupt, dir)
		}
		if n, err := s.GC(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("%s: GC: got %d, error %v", name, n, err)
		}
		if got, err := os.ReadFile(pathOf(dir, id)); err != nil || string(got) != string(data) {
			t.Errorf("%s: the record was changed or moved, error %v", name, err)
		}
		age(t, pathOf(dir, id), time.Now().Add(-401*24*time.Hour))
		if n, err := s.GC(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%s: GC after more than 400 days: got %d, error %v", name, n, err)
		}
	}
}

// TestQuarantine says that garbage is kept for a look at it, within bounds.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{NoSync: true})
	id := session.ID{1}
	for i := range 300 {
		must(t, os.MkdirAll(filepath.Dir(pathOf(dir, id)), 0o700))
		must(t, os.WriteFile(pathOf(dir, id), fmt.Appendf(nil, "garbage %d", i), 0o600))
		wantError(t, readError(t, s, id), session.ErrCorrupt, dir)
	}
	wantError(t, readError(t, s, id), session.ErrNotFound, dir)
	aside := filepath.Join(dir, "quarantine")
	names := list(t, aside)
	if len(names) != 300 {
		t.Fatalf("%d of 300 are in the quarantine", len(names))
	}
	if got, err := os.ReadFile(filepath.Join(aside, names[299])); err != nil || string(got) != "garbage 299" {
		t.Errorf("the last one is %q, error %v", got, err)
	}
	if name := names[0]; !strings.HasSuffix(name, filepath.Base(pathOf(dir, id))) {
		t.Errorf("the name %q does not tell the session", name)
	}
	old := fmt.Sprintf("%019d%s", time.Now().Add(-8*24*time.Hour).UnixNano(), names[298][19:])
	must(t, os.Rename(filepath.Join(aside, names[298]), filepath.Join(aside, old)))
	if _, err := s.GC(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if got := list(t, aside); len(got) != 256 || slices.Contains(got, old) || !slices.Contains(got, names[299]) {
		t.Errorf("after GC the quarantine holds %d files, the one of last week %v, the newest %v",
			len(got), slices.Contains(got, old), slices.Contains(got, names[299]))
	}
}

// TestTouchKeepsFile says that Touch changes nothing but the mtime.
func TestTouchKeepsFile(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{1}
	rec := create(t, s, id, "payload")
	before, err := os.Stat(pathOf(dir, id))
	must(t, err)
	if !before.ModTime().Equal(rec.Seen) {
		t.Errorf("the mtime is %v, Seen is %v", before.ModTime(), rec.Seen)
	}
	data, err := os.ReadFile(pathOf(dir, id))
	must(t, err)
	rec.Seen = rec.Seen.Add(time.Minute)
	must(t, s.Touch(t.Context(), id, rec))
	after, err := os.Stat(pathOf(dir, id))
	must(t, err)
	now, err := os.ReadFile(pathOf(dir, id))
	must(t, err)
	if !os.SameFile(before, after) || string(now) != string(data) || !after.ModTime().Equal(rec.Seen) {
		t.Errorf("Touch made a new file, changed it, or set mtime %v instead of %v", after.ModTime(), rec.Seen)
	}
	earlier := rec
	earlier.Seen = rec.Seen.Add(-30 * time.Second)
	must(t, s.Touch(t.Context(), id, earlier))
	if got := wantPayload(t, s, id, "payload"); !got.Seen.Equal(rec.Seen) {
		t.Errorf("a touch that came late set Seen back to %v", got.Seen)
	}
}

// TestMtime says which mtime counts as Seen.
func TestMtime(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	now := time.Now().Truncate(time.Millisecond)
	for _, c := range []struct {
		name            string
		seen, mtime, is time.Time
		expires         time.Time
		gone            bool
	}{
		{"touched", now.Add(-time.Hour), now, now, time.Time{}, false},
		{"copied from an older file", now, now.Add(-time.Hour), now, time.Time{}, false},
		{"clock a little ahead", now, now.Add(time.Minute), now.Add(time.Minute), time.Time{}, false},
		{"clock far ahead", now, now.Add(48 * time.Hour), now, time.Time{}, false},
		{"clock far ahead, long idle", now.Add(-25 * time.Hour), now.Add(48 * time.Hour), now, time.Time{}, true},
		{"idle for too long", now.Add(-25 * time.Hour), now.Add(-24 * time.Hour), now, time.Time{}, true},
		{"touched, but over", now.Add(-time.Hour), now, now, now.Add(-time.Minute), true},
	} {
		id := session.ID{1}
		rec := create(t, s, id, "payload") // makes the folder
		rec.Created, rec.Seen, rec.Expires = c.seen, c.seen, c.expires
		must(t, os.WriteFile(pathOf(dir, id), session.AppendRecord(nil, &rec), 0o600))
		age(t, pathOf(dir, id), c.mtime)
		got, err := s.Read(t.Context(), id)
		if c.gone {
			if err == nil {
				t.Errorf("%s: the session is alive, seen %v", c.name, got.Seen)
			}
			wantError(t, err, session.ErrNotFound, dir)
		} else if err != nil || !got.Seen.Equal(c.is) {
			t.Errorf("%s: got Seen %v, error %v, want %v", c.name, got.Seen, err, c.is)
		}
		must(t, s.Destroy(t.Context(), id))
	}
}
