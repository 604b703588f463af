//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

var unsynced = filestore.Options{NoSync: true, LockWait: 20 * time.Second}

const slotSize = 512 // of a small session

// history returns what the file of a session holds after each of some changes in place, and the records.
func history(t *testing.T, payloads ...string) (images [][]byte, recs []session.Record) {
	t.Helper()
	s, dir := newStore(t, &unsynced)
	id, prev := session.ID{1}, session.Version{}
	var first os.FileInfo
	for i, payload := range payloads {
		rec := record(payload)
		must(t, s.Write(t.Context(), id, rec, prev))
		prev, recs = rec.Version, append(recs, rec)
		info, err := os.Stat(pathOf(dir, id))
		must(t, err)
		if first == nil {
			first = info
		}
		if !os.SameFile(first, info) || !info.ModTime().Equal(rec.Seen) {
			t.Fatalf("change %d: another file, or mtime %v, Seen %v", i, info.ModTime(), rec.Seen)
		}
		data, err := os.ReadFile(pathOf(dir, id))
		must(t, err)
		images = append(images, data)
	}
	return images, recs
}

// slotsReader puts files in the place of a session and reads it, with a store that syncs and one that does not.
type slotsReader struct {
	stores [2]*filestore.Store
	path   string
	n      int
}

func newSlotsReader(t *testing.T) *slotsReader {
	t.Helper()
	s, dir := newStore(t, nil)
	create(t, s, session.ID{1}, "makes the folder")
	return &slotsReader{stores: [2]*filestore.Store{s, openStore(t, dir, &unsynced)}, path: pathOf(dir, session.ID{1})}
}

func (r *slotsReader) read(t *testing.T, data []byte) (session.Record, error) {
	t.Helper()
	must(t, os.WriteFile(r.path, data, 0o600))
	r.n++
	return r.stores[r.n%2].Read(t.Context(), session.ID{1})
}

// TestSlotsGarbled flips each byte of a file with two slots, and cuts it at every length. The other slot is read, or nothing.
func TestSlotsGarbled(t *testing.T) {
	t.Parallel()
	images, recs := history(t, "one", "two two", "three")
	r := newSlotsReader(t)
	for i := 1; i < len(images); i++ {
		old, now, data := recs[i-1], recs[i], images[i]
		inNewest := func(at int) bool { return at/slotSize == i%2 }
		same := func(got, want session.Record) bool {
			return got.Version == want.Version && string(got.Payload) == string(want.Payload)
		}
		for at := range data {
			flipped := slices.Clone(data)
			flipped[at] ^= 0x55
			rec, err := r.read(t, flipped)
			switch {
			case err == nil && same(rec, now):
			case err == nil && same(rec, old) && inNewest(at):
			case errors.Is(err, session.ErrCorrupt) && at < 4: // where the other slot is
			default:
				t.Errorf("image %d, byte %d flipped: got payload %q, error %v", i, at, rec.Payload, err)
			}
			rec, err = r.read(t, data[:at])
			switch {
			case err == nil && (same(rec, now) || same(rec, old)):
			case errors.Is(err, session.ErrCorrupt) && at < slotSize:
			default:
				t.Errorf("image %d, cut to %d bytes: got payload %q, error %v", i, at, rec.Payload, err)
			}
		}
	}
}

// TestSlotTorn has changes of which one part was written: every beginning, and every end, as when memory is written to disk.
// The record before is the session; the next change overwrites the torn slot and leaves the other one as it is.
func TestSlotTorn(t *testing.T) {
	t.Parallel()
	images, recs := history(t, "one", "two", "three", "a longer fourth record", "five")
	r := newSlotsReader(t)
	for i := 1; i < len(images); i++ {
		before, after := images[i-1], images[i]
		before = append(slices.Clone(before), make([]byte, len(after)-len(before))...)
		begin := i % 2 * slotSize
		end := begin + slotSize
		if i%2 == 1 {
			end = len(after)
		}
		for at := begin; at <= end; at++ {
			for half, data := range map[string][]byte{
				"beginning": slices.Concat(after[:at], before[at:]),
				"end":       slices.Concat(before[:at], after[at:]),
			} {
				want := recs[i-1]
				if bytes.Equal(data, after) {
					want = recs[i]
				}
				rec, err := r.read(t, data)
				if err != nil || rec.Version != want.Version || string(rec.Payload) != string(want.Payload) {
					t.Fatalf("change %d, %s at byte %d: got payload %q, error %v, want %q", i, half, at, rec.Payload, err, want.Payload)
				}
				if at%16 == 0 && want.Version == recs[i-1].Version {
					r.goOn(t, data, begin, end, want)
				}
			}
		}
	}
}

// goOn changes a session of which one slot is torn.
func (r *slotsReader) goOn(t *testing.T, data []byte, begin, end int, old session.Record) {
	t.Helper()
	next := record("next")
	must(t, r.stores[1].Write(t.Context(), session.ID{1}, next, old.Version))
	got, err := os.ReadFile(r.path)
	must(t, err)
	if !bytes.Equal(got[:begin], data[:begin]) || end < len(data) && !bytes.Equal(got[end:], data[end:]) {
		t.Fatalf("a change has written outside the torn slot, which is at %d", begin)
	}
	wantPayload(t, r.stores[0], session.ID{1}, "next")
}

// TestSlotsBothModes has a store that syncs and one that does not change the same session. Only the second one writes in place,
// and only if there is room and not too much of it.
func TestSlotsBothModes(t *testing.T) {
	t.Parallel()
	synced, dir := newStore(t, nil)
	inPlace := openStore(t, dir, &unsynced)
	id, prev := session.ID{1}, session.Version{}
	var last os.FileInfo
	for _, c := range []struct {
		name    string
		s       *filestore.Store
		size    int
		slotted bool
		same    bool // the file
	}{
		{"new", inPlace, 100, true, false},
		{"in place", inPlace, 100, true, true},
		{"synced", synced, 100, false, false},
		{"synced again", synced, 100, false, false},
		{"without slots until then", inPlace, 100, true, false},
		{"grown within the slot", inPlace, 400, true, true},
		{"grown over the slot", inPlace, 600, true, false},
		{"grown with the room for that", inPlace, 700, true, true},
		{"large", inPlace, 12_000, true, false},
		{"large, in place", inPlace, 13_000, true, true},
		{"too large for slots", inPlace, 20_000, false, false},
		{"too large again", inPlace, 20_000, false, false},
		{"shrunk a little", inPlace, 12_000, true, false},
		{"shrunk to half", inPlace, 6_000, true, true},
		{"shrunk to nothing", inPlace, 0, true, false},
		{"in place again", inPlace, 1, true, true},
		{"renewed", inPlace, 0, true, false},
	} {
		rec := record(strings.Repeat("x", c.size))
		if c.name == "renewed" {
			rec.Successor = session.ID{2}
		}
		must(t, c.s.Write(t.Context(), id, rec, prev))
		prev = rec.Version
		data, err := os.ReadFile(pathOf(dir, id))
		must(t, err)
		info, err := os.Stat(pathOf(dir, id))
		must(t, err)
		if slotted := data[1] == 2; slotted != c.slotted || last != nil && os.SameFile(last, info) != c.same {
			t.Errorf("%s: it has slots: %v, it is the file of before: %v", c.name, slotted, !c.same)
		}
		last = info
		for _, s := range []*filestore.Store{synced, inPlace} {
			got := wantPayload(t, s, id, string(rec.Payload))
			if !got.Seen.Equal(rec.Seen) || got.Version != rec.Version {
				t.Errorf("%s: got Seen %v, version %x", c.name, got.Seen, got.Version)
			}
			rec.Seen = rec.Seen.Add(time.Second)
			must(t, s.Touch(t.Context(), id, rec))
		}
		wantError(t, c.s.Write(t.Context(), id, record("late"), version()), session.ErrConflict, dir)
	}
	if names := list(t, dir+"/quarantine"); len(names) > 0 {
		t.Errorf("the quarantine holds %q", names)
	}
}

// TestSlotsMoved replaces the file of a session, by hand, while a change waits for the lock. It must not go to the old file.
func TestSlotsMoved(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &unsynced)
	old := create(t, s, session.ID{3}, "old")
	path := pathOf(dir, session.ID{3})
	lock, err := os.OpenFile(filepath.Join(dir, "03", "lock"), os.O_RDWR, 0)
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	done := make(chan error, 1)
	go func() { done <- s.Write(t.Context(), session.ID{3}, record("new"), old.Version) }()
	time.Sleep(50 * time.Millisecond) // if that is too short, the change finds the new file only
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+"-copy", data, 0o600))
	must(t, os.Rename(path+"-copy", path))
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_UN))
	must(t, <-done)
	wantPayload(t, s, session.ID{3}, "new")
	if names := list(t, filepath.Join(dir, "03")); len(names) != 2 {
		t.Errorf("the folder holds %q, want lock and session", names)
	}
}

// TestSlotsForeign says that versions that know no slots leave such a file alone, as this one does with records that it does not
// know. What they look at is the beginning, and whether the file is as long as a record.
func TestSlotsForeign(t *testing.T) {
	t.Parallel()
	images, recs := history(t, "", "two")
	for i, data := range images {
		shortest := session.AppendRecord(nil, &session.Record{})
		if _, err := session.ParseRecord(data); !errors.Is(err, session.ErrCorrupt) {
			t.Errorf("image %d is a record, error %v", i, err)
		}
		if data[0] != shortest[0] || data[1] <= shortest[1] || len(data) < len(shortest) {
			t.Errorf("image %d is garbage to other versions", i)
		}
	}
	r := newSlotsReader(t)
	later := slices.Clone(images[1])
	later[slotSize+20+1]++ // the format of the record in the second slot
	binary.BigEndian.PutUint32(later[slotSize+16:], crc32.Update(crc32.Checksum(later[slotSize:slotSize+16],
		crc32.MakeTable(crc32.Castagnoli)), crc32.MakeTable(crc32.Castagnoli), later[slotSize+20:]))
	for i := range r.stores {
		_, err := r.read(t, later)
		wantError(t, err, session.ErrCorrupt, "")
		wantError(t, r.stores[i].Write(t.Context(), session.ID{1}, record("late"), recs[0].Version), session.ErrCorrupt, "")
		if got, err := os.ReadFile(r.path); err != nil || !bytes.Equal(got, later) {
			t.Errorf("a record of a newer version was changed or moved, error %v", err)
		}
	}
}

// TestSlotsGC says that GC knows an expired session with slots, and that both slots torn are garbage.
func TestSlotsGC(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &unsynced)
	for i := range byte(3) {
		rec, id := record("old"), session.ID{1, i}
		must(t, s.Write(t.Context(), id, rec, session.Version{}))
		next := record("new")
		if i == 0 {
			next.TTL = 50 * time.Millisecond
		}
		must(t, s.Write(t.Context(), id, next, rec.Version))
	}
	garbled, err := os.ReadFile(pathOf(dir, session.ID{1, 1}))
	must(t, err)
	garbled[100], garbled[30], garbled[slotSize+30] = 1, garbled[30]^1, garbled[slotSize+30]^1
	must(t, os.WriteFile(pathOf(dir, session.ID{1, 1}), garbled, 0o600))
	time.Sleep(60 * time.Millisecond)
	if n, err := s.GC(t.Context(), 10); n != 1 || err != nil {
		t.Errorf("GC: got %d, error %v, want 1", n, err)
	}
	if names := list(t, dir+"/quarantine"); len(names) != 1 {
		t.Errorf("the quarantine holds %q", names)
	}
	wantPayload(t, s, session.ID{1, 2}, "new")
	if names := list(t, dir+"/01"); len(names) != 2 {
		t.Errorf("the folder holds %q", names)
	}
	must(t, s.DestroyVersion(t.Context(), session.ID{1, 2}, wantPayload(t, s, session.ID{1, 2}, "new").Version))
}
