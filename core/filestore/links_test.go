//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestLinkedRoot says that the folder itself may be a link, which deployments like, and that a store stays with the
// folder that it opened.
func TestLinkedRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	mkdir(t, filepath.Join(dir, "a"), 0o700)
	must(t, os.Symlink("a", link))
	s := openStore(t, link, nil)
	create(t, s, session.ID{1}, "payload")
	must(t, os.Remove(link))
	must(t, os.Symlink("b", link))
	wantPayload(t, s, session.ID{1}, "payload")
}

// TestPlantedRecord puts things that are no regular files in the place of a session.
func TestPlantedRecord(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, session.AppendRecord(nil, new(record("outside"))), 0o600))
	for _, c := range []struct {
		name  string
		plant func(path, other string) error
	}{
		{"link to another session", func(path, other string) error { return os.Symlink(filepath.Base(other), path) }},
		{"link to a file outside", func(path, _ string) error { return os.Symlink(outside, path) }},
		{"link to nothing", func(path, _ string) error { return os.Symlink("nothing", path) }},
		{"FIFO", func(path, _ string) error { return exec.Command("mkfifo", path).Run() }},
		{"folder", func(path, _ string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			id, other := session.ID{1}, session.ID{1, 1}
			rec := create(t, s, other, "other session")

			plant := func() { must(t, c.plant(pathOf(dir, id), pathOf(dir, other))) }
			plant()
			wantError(t, readError(t, s, id), session.ErrCorrupt, dir)
			wantError(t, readError(t, s, id), session.ErrNotFound, dir)
			plant()
			wantError(t, s.Write(ctx, id, record("late"), rec.Version), session.ErrCorrupt, dir)
			wantError(t, s.Write(ctx, id, record("late"), rec.Version), session.ErrNotFound, dir)
			plant()
			wantError(t, s.Write(ctx, id, record("new"), session.Version{}), session.ErrCorrupt, dir)
			create(t, s, id, "new")
			must(t, s.Destroy(ctx, id))
			plant()
			touched := rec
			touched.Seen = rec.Seen.Add(time.Minute)
			wantError(t, s.Touch(ctx, id, touched), session.ErrCorrupt, dir)
			if n, err := s.GC(ctx, 10); n != 0 || err != nil {
				t.Errorf("GC: got %d, error %v", n, err)
			}
			wantError(t, readError(t, s, id), session.ErrNotFound, dir)

			if got := wantPayload(t, s, other, "other session"); !got.Seen.Equal(rec.Seen) {
				t.Error("Touch followed the link")
			}
			if data, err := os.ReadFile(outside); err != nil || len(data) == 0 {
				t.Errorf("the file outside was changed: %d bytes, error %v", len(data), err)
			}
		})
	}
}

func TestDestroyPlanted(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id, other := session.ID{1}, session.ID{1, 1}
	create(t, s, other, "other session")
	must(t, os.Symlink(filepath.Base(pathOf(dir, other)), pathOf(dir, id)))
	must(t, s.Destroy(t.Context(), id))
	wantError(t, readError(t, s, id), session.ErrNotFound, dir)
	wantPayload(t, s, other, "other session")
}

// TestPlantedFolder puts a link in the place of one of the 256 folders and of a lock file, before a store has opened them
// and after.
func TestPlantedFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, target string // the target is in the folder of the store, or absolute
	}{
		{"folder to another folder", "07", "08"},
		{"folder to outside", "07", "/outside"},
		{"folder to nothing", "07", "nothing"},
		{"lock to a record", "07/lock", "record"},
		{"lock to outside", "07/lock", "/outside/file"},
		{"lock to nothing", "07/lock", "nothing"},
	} {
		for _, open := range []bool{false, true} {
			name := c.name + map[bool]string{false: ", before it is opened", true: ", while it is open"}[open]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, dir := newStore(t, nil)
				outside := t.TempDir()
				must(t, os.WriteFile(filepath.Join(outside, "file"), nil, 0o600))
				create(t, s, session.ID{8}, "in 08")
				mkdir(t, filepath.Join(dir, "07"), 0o700)
				must(t, os.WriteFile(filepath.Join(dir, "07", "record"), nil, 0o600))
				if open {
					create(t, s, session.ID{7, 1}, "in 07")
				}
				must(t, os.RemoveAll(filepath.Join(dir, c.path)))
				target := c.target
				if filepath.IsAbs(target) {
					target = filepath.Join(filepath.Dir(outside), filepath.Base(outside), target[len("/outside"):])
				}
				must(t, os.Symlink(target, filepath.Join(dir, c.path)))
				refuseAll(t, s, dir)
				wantPayload(t, s, session.ID{8}, "in 08")
				if got := list(t, outside); len(got) != 1 {
					t.Errorf("the folder outside holds %q", got)
				}
				for _, name := range []string{"nothing", "07/nothing"} {
					if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
						t.Error("the target of the link was created")
					}
				}
			})
		}
	}
}

// refuseAll checks that every call on a session in folder 07 is ErrUnavailable.
func refuseAll(t *testing.T, s *filestore.Store, dir string) {
	t.Helper()
	id, rec := session.ID{7}, record("payload")
	for name, err := range map[string]error{
		"Read":    readError(t, s, id),
		"Create":  s.Write(t.Context(), id, rec, session.Version{}),
		"Change":  s.Write(t.Context(), id, rec, version()),
		"Touch":   s.Touch(t.Context(), id, rec),
		"Destroy": s.Destroy(t.Context(), id),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		wantError(t, err, session.ErrUnavailable, dir)
	}
}
