//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// diskChildren are checks on a small file system of their own.
func diskChildren() map[string]func(dir string) error {
	return map[string]func(dir string) error{
		"no inodes":               childNoInodes,
		"read-only":               childReadOnly,
		"nearly full":             func(dir string) error { return childNearlyFull(dir, false) },
		"nearly full, not synced": func(dir string) error { return childNearlyFull(dir, true) },
	}
}

// TestDisk has disks on which the old record must stay, whatever fails, and a logout must be possible as long as anything is.
func TestDisk(t *testing.T) {
	t.Parallel()
	for name := range diskChildren() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := tryChild(t, name, t.TempDir(), ownMounts)
			if err != nil {
				t.Fatalf("%s: %v", needsMounts, err)
			}
			out := c.wait(t)
			if strings.Contains(out, mountRefused) {
				t.Fatalf("%s: %s", needsMounts, out)
			}
			if out != "" {
				t.Error(out)
			}
		})
	}
}

const needsMounts = "this test mounts file systems: run it as root, in a container with --cap-add SYS_ADMIN, or allow user namespaces " +
	"(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"

// mountTmpfs mounts a file system that this process alone sees.
func mountTmpfs(dir, options string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("%s: %w", mountRefused, err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("%s: %w", mountRefused, err)
	}
	return nil
}

// childNoInodes has a disk that has room for bytes and for no file.
func childNoInodes(dir string) error {
	if err := mountTmpfs(dir, "size=1m,nr_inodes=64"); err != nil {
		return err
	}
	return fullDisk(dir, false, syscall.ENOSPC, func() error {
		for i := 0; ; i++ {
			switch err := os.WriteFile(filepath.Join(dir, fmt.Sprint("filler", i)), nil, 0o600); {
			case errors.Is(err, syscall.ENOSPC):
				return nil
			case err != nil:
				return err
			}
		}
	})
}

// childReadOnly has a disk that was read-only when the program started.
func childReadOnly(dir string) error {
	ctx, cancel := testContext()
	defer cancel()
	if err := mountTmpfs(dir, "size=1m"); err != nil {
		return err
	}
	at := filepath.Join(dir, "sessions")
	s, err := filestore.New(at, nil)
	if err != nil {
		return err
	}
	rec := record("old")
	if err := errors.Join(s.Write(ctx, faultID, rec, session.Version{}), s.Close()); err != nil { // which has files open for writing
		return err
	}
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	if _, err := filestore.New(at, nil); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("New: got error %w, want ErrUnavailable with EROFS", err)
	}
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		return err
	}
	if s, err = filestore.New(at, nil); err != nil {
		return err
	}
	if err := s.Write(ctx, faultID, record("new"), rec.Version); err != nil {
		return fmt.Errorf("change on a disk that can be written again: %w", err)
	}
	return errors.Join(s.Destroy(ctx, faultID), s.Close())
}

// childNearlyFull makes 5,000 changes of any size on a disk that is full now and then. After each there is what was
// acknowledged last, all of it.
func childNearlyFull(dir string, noSync bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := mountTmpfs(dir, "size=256k"); err != nil {
		return err
	}
	s, err := filestore.New(filepath.Join(dir, "sessions"), &filestore.Options{NoSync: noSync})
	if err != nil {
		return err
	}
	const sessions, changes = 8, 5000
	var stored [sessions]session.Record
	refused := 0
	for i := range changes {
		n := rand.N(sessions)
		id := session.ID{byte(n % 2), byte(n)}
		if rand.N(10) == 0 {
			if err := s.Destroy(ctx, id); err != nil {
				return fmt.Errorf("destroy, after %d changes: %w", i, err)
			}
			stored[n] = session.Record{}
		}
		next := record(strings.Repeat("x", rand.N(128<<10)>>rand.N(8))) // some change in place, most do not
		switch err := s.Write(ctx, id, next, stored[n].Version); {
		case err == nil:
			stored[n] = next
		case errors.Is(err, session.ErrUnavailable) && errors.Is(err, syscall.ENOSPC):
			refused++
		default:
			return fmt.Errorf("change %d: %w", i, err)
		}
		switch got, err := s.Read(ctx, id); {
		case stored[n].Version.IsZero() && errors.Is(err, session.ErrNotFound):
		case err != nil || got.Version != stored[n].Version || string(got.Payload) != string(stored[n].Payload):
			return fmt.Errorf("after change %d: got %d bytes, error %w, want %d", i, len(got.Payload), err, len(stored[n].Payload))
		}
	}
	if refused < changes/100 || refused > changes*9/10 {
		return fmt.Errorf("%d of %d changes were refused: the disk was not what this test needs", refused, changes)
	}
	return s.Close()
}
