//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

const stranger = 65534 // a user who is not us

// TestPermissions looks at everything that a store creates.
func TestPermissions(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	for b := range byte(4) {
		create(t, s, session.ID{b}, "payload")
	}
	must(t, os.WriteFile(pathOf(dir, session.ID{1}), []byte("garbage"), 0o600))
	wantError(t, readError(t, s, session.ID{1}), session.ErrCorrupt, dir)
	seen := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if seen++; info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return nil
	}))
	if want := 1 + 4 + 4 + 4 + 1; seen != want { // root, folders, locks, records, quarantine
		t.Errorf("%d files and folders were created, want %d", seen, want)
	}
}

// TestNewFolder looks at what New does with a folder that was there.
func TestNewFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string      // of the error; empty if New takes the folder
		mode    fs.FileMode // of the folder afterwards
	}{
		{"ours", func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o700)) }, "", 0o700},
		{"ours and not empty", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
		}, "", 0o700},
		{"open to others, empty", func(t *testing.T, dir string) { mkdir(t, dir, 0o755) }, "", 0o700},
		{"open to others, holds sessions", func(t *testing.T, dir string) {
			s := openStore(t, dir, nil)
			create(t, s, session.ID{1}, "payload")
			must(t, os.Chmod(dir, 0o755))
		}, "", 0o700},
		{"open to others, holds something else", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o750)
			must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
		}, "holds other files", 0o750},
		{"sticky, as /tmp is", func(t *testing.T, dir string) { mkdir(t, dir, 0o777|fs.ModeSticky) }, "mode 0777", 0o777},
		{"a file", func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) }, "cannot be opened", 0o600},
		{"quarantine is a link", func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "quarantine")))
		}, "quarantine is not a folder", 0o700},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "sessions")
			c.prepare(t, dir)
			s, err := filestore.New(dir, nil)
			if c.want == "" {
				must(t, err)
				create(t, s, session.ID{9}, "payload")
				must(t, s.Close())
			} else {
				wantError(t, err, session.ErrUnavailable, dir)
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want one with %q", err, c.want)
				}
			}
			info, err := os.Stat(dir)
			must(t, err)
			if info.Mode().Perm() != c.mode {
				t.Errorf("the folder has mode %v, want %v", info.Mode(), c.mode)
			}
		})
	}
}

// TestNewForeign uses a folder of somebody else: root makes one, others take one of root's.
func TestNewForeign(t *testing.T) {
	t.Parallel()
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		must(t, os.Chown(dir, stranger, stranger))
	}
	_, err := filestore.New(dir, nil)
	wantError(t, err, session.ErrUnavailable, "")
	if !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("got error %v", err)
	}
}

// TestNewUnwritable uses a folder that its owner may not write to. Root may write anywhere, so it becomes somebody else
// in a child process.
func TestNewUnwritable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	mkdir(t, dir, 0o500)
	uid := os.Geteuid()
	if uid == 0 {
		uid = stranger
		must(t, os.Chmod(filepath.Dir(filepath.Dir(dir)), 0o755)) // package testing makes it 0700
		must(t, os.Chown(dir, uid, uid))
	}
	out := startChild(t, "unwritable", dir).wait(t)
	if !strings.Contains(out, "the session folder is not writable: permission denied") {
		t.Errorf("New on a folder that is not writable: %s", out)
	}
}

func childUnwritable(dir string) error {
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(stranger); err != nil {
			return err
		}
	}
	_, err := filestore.New(dir, nil)
	return err
}

// TestDeleted deletes what a store has made while it is used by two processes.
func TestDeleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		remove func(t *testing.T, dir string, id session.ID)
	}{
		{"everything in the folder", func(t *testing.T, dir string, _ session.ID) {
			for _, name := range list(t, dir) {
				must(t, os.RemoveAll(filepath.Join(dir, name)))
			}
		}},
		{"one of the 256 folders", func(t *testing.T, dir string, id session.ID) {
			must(t, os.RemoveAll(filepath.Dir(pathOf(dir, id))))
		}},
		{"session and lock", func(t *testing.T, dir string, id session.ID) {
			must(t, os.Remove(pathOf(dir, id)))
			must(t, os.Remove(filepath.Join(filepath.Dir(pathOf(dir, id)), "lock")))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			one, dir := newStore(t, nil)
			two := openStore(t, dir, nil)
			id := session.ID{7}
			old := create(t, one, id, "old")
			wantPayload(t, two, id, "old")
			c.remove(t, dir, id)
			late := record("late")
			wantError(t, two.Write(t.Context(), id, late, old.Version), session.ErrNotFound, dir)
			wantError(t, readError(t, one, id), session.ErrNotFound, dir)
			if n, err := one.GC(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("GC: got %d, error %v", n, err)
			}
			rec := create(t, two, id, "new")
			wantPayload(t, one, id, "new")
			next := record("changed")
			must(t, one.Write(t.Context(), id, next, rec.Version))
			wantPayload(t, two, id, "changed")
			must(t, one.Destroy(t.Context(), id))
			wantError(t, readError(t, two, id), session.ErrNotFound, dir)
		})
	}
}

// mkdir makes a folder with that mode, whatever the umask.
func mkdir(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chmod(dir, mode))
}
