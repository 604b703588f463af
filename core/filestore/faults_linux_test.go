//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

func linuxChildren() map[string]func(dir string) error {
	all := map[string]func(dir string) error{
		"full disk, tmpfs":              func(dir string) error { return childFullTmpfs(dir, false) },
		"full disk, tmpfs, not synced":  func(dir string) error { return childFullTmpfs(dir, true) },
		"full disk, rlimit":             func(dir string) error { return childFullRlimit(dir, false) },
		"full disk, rlimit, not synced": func(dir string) error { return childFullRlimit(dir, true) },
		"full in a slot":                childFullSlot,
		"seen fails":                    childSeenFails,
		"descriptors":                   childDescriptors,
	}
	for _, f := range faults() {
		all["fault "+f.name] = func(dir string) error { return f.child(dir, false) }
		all["fault in place "+f.name] = func(dir string) error { return f.child(dir, true) }
	}
	maps.Copy(all, diskChildren())
	return all
}

// fault makes a system call fail in a process, through a seccomp filter.
type fault struct {
	name  string
	call  uint32
	errno syscall.Errno
}

func faults() []fault {
	renameat, utimensat := uint32(syscall.SYS_RENAMEAT), uint32(syscall.SYS_UTIMENSAT)
	return []fault{
		{"fsync EIO", syscall.SYS_FSYNC, syscall.EIO},
		{"pwrite ENOSPC", syscall.SYS_PWRITE64, syscall.ENOSPC},
		{"pwrite EDQUOT", syscall.SYS_PWRITE64, syscall.EDQUOT},
		{"rename ENOSPC", renameat, syscall.ENOSPC},
		{"utimensat EROFS", utimensat, syscall.EROFS},
		{"openat EMFILE", syscall.SYS_OPENAT, syscall.EMFILE},
		{"openat EACCES", syscall.SYS_OPENAT, syscall.EACCES},
		{"rename EROFS", renameat, syscall.EROFS},
		{"flock ENOLCK", syscall.SYS_FLOCK, syscall.ENOLCK},
	}
}

// TestFaults lets each step of a write fail. It must be an error that says why, and the old record must stay.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.test(t, "fault ", nil)
		})
		if slices.Contains([]uint32{syscall.SYS_FSYNC, syscall.SYS_RENAMEAT, syscall.SYS_UTIMENSAT}, f.call) {
			continue // no part of a change in place, or after it: see TestFaultSeen
		}
		t.Run(f.name+", in place", func(t *testing.T) {
			t.Parallel()
			f.test(t, "fault in place ", &filestore.Options{NoSync: true})
		})
	}
}

func (f fault) test(t *testing.T, child string, opts *filestore.Options) {
	s, dir := newStore(t, opts)
	rec := create(t, s, faultID, strings.Repeat("old", 1000))
	must(t, s.Close())
	if out := startChild(t, child+f.name, dir).wait(t); out != "" {
		t.Fatalf("the process whose %s fails said: %s", f.name, out)
	}
	s = openStore(t, dir, opts)
	wantPayload(t, s, faultID, string(rec.Payload))
	names := list(t, filepath.Dir(pathOf(dir, faultID)))
	if len(names) != 2 {
		t.Errorf("the folder holds %q, want lock and session", names)
	}
	next := record("new")
	must(t, s.Write(t.Context(), faultID, next, rec.Version))
	wantPayload(t, s, faultID, "new")
}

var faultID = session.ID{6}

func (f fault) child(dir string, noSync bool) error {
	ctx, cancel := testContext()
	defer cancel()
	s, err := filestore.New(dir, &filestore.Options{LockWait: time.Second, NoSync: noSync})
	if err != nil {
		return err
	}
	rec, err := s.Read(ctx, faultID)
	if err != nil {
		return err
	}
	if err := f.install(); err != nil {
		return fmt.Errorf("this test needs seccomp(2), which was refused: %w", err)
	}
	err = s.Write(ctx, faultID, record(strings.Repeat("new", 1000)), rec.Version)
	if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, f.errno) {
		return fmt.Errorf("change: got error %w, want ErrUnavailable with %w", err, f.errno)
	}
	if strings.Contains(err.Error(), dir) {
		return fmt.Errorf("the error shows the folder: %w", err)
	}
	err = s.Write(ctx, session.ID{6, 1}, record(strings.Repeat("new", 1000)), session.Version{})
	if !errors.Is(err, session.ErrUnavailable) {
		return fmt.Errorf("creation: got error %w, want ErrUnavailable", err)
	}
	if _, err = s.Read(ctx, session.ID{6, 1}); !errors.Is(err, session.ErrNotFound) && f.call != syscall.SYS_OPENAT {
		return fmt.Errorf("the refused creation is there: %w", err)
	}
	// These sync the folder although they change nothing: an earlier call may have failed to. To destroy takes no descriptor.
	fails := f.call == syscall.SYS_FSYNC || f.call == syscall.SYS_OPENAT
	if err = s.Write(ctx, faultID, rec, session.Version{}); (err != nil) != fails {
		return fmt.Errorf("repeated write: got error %w, want one: %v", err, fails)
	}
	fails = f.call == syscall.SYS_FSYNC || f.call == syscall.SYS_FLOCK
	if err = s.Destroy(ctx, session.ID{6, 2}); (err != nil) != fails {
		return fmt.Errorf("destroy: got error %w, want one: %v", err, fails)
	}
	return nil
}

// install makes the calls of all threads of this process fail from now on.
func (f fault) install() error {
	const (
		setNoNewPrivs = 38
		modeFilter    = 1
		allThreads    = 1
		retErrno      = 0x00050000
		retAllow      = 0x7fff0000
	)
	number := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH]
	check := []syscall.SockFilter{{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS}} // the number of the call
	check = append(check, syscall.SockFilter{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: f.call, Jf: 1})
	check = append(check,
		syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: retErrno | uint32(f.errno)},
		syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: retAllow})
	program := syscall.SockFprog{Len: uint16(len(check)), Filter: &check[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	if _, _, errno := syscall.RawSyscall(number, modeFilter, allThreads, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	return nil
}

// TestFullDisk fills the disk: with a limit on the size of files, which is always possible, and for real, on a small file
// system of its own, where this process may mount one.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full disk, rlimit", "full disk, rlimit, not synced", "full in a slot"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := startChild(t, name, t.TempDir()).wait(t); out != "" {
				t.Error(out)
			}
		})
	}
	for _, name := range []string{"full disk, tmpfs", "full disk, tmpfs, not synced"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := tryChild(t, name, t.TempDir(), ownMounts)
			if err == nil {
				out := c.wait(t)
				if out == "" {
					return
				}
				if !strings.Contains(out, mountRefused) {
					t.Fatal(out)
				}
				err = errors.New(strings.TrimSpace(out))
			}
			t.Logf("%v: only the limit on the size of files was tested", err)
		})
	}
}

const mountRefused = "a file system cannot be mounted here"

// ownMounts gives a child mounts of its own, which end with it.
func ownMounts(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
}

func childFullTmpfs(dir string, noSync bool) error {
	if err := mountTmpfs(dir, "size=256k"); err != nil {
		return err
	}
	return fullDisk(dir, noSync, syscall.ENOSPC, func() error {
		filler, err := os.Create(filepath.Join(dir, "filler"))
		if err != nil {
			return err
		}
		for err == nil {
			_, err = filler.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return filler.Close()
	})
}

func childFullRlimit(dir string, noSync bool) error {
	signal.Ignore(syscall.SIGXFSZ)
	return fullDisk(dir, noSync, syscall.EFBIG, func() error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{})
	})
}

// fullDisk checks a store whose disk becomes full: the old record stays, reading, touching and destroying work.
func fullDisk(dir string, noSync bool, errno syscall.Errno, fill func() error) error {
	ctx, cancel := testContext()
	defer cancel()
	s, err := filestore.New(filepath.Join(dir, "sessions"), &filestore.Options{NoSync: noSync})
	if err != nil {
		return err
	}
	rec := record("old")
	if err := s.Write(ctx, faultID, rec, session.Version{}); err != nil {
		return err
	}
	locked, err := lockBeforeFull(ctx, s)
	if err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	for name, err := range map[string]error{
		"change":   s.Write(ctx, faultID, record(strings.Repeat("new", 5000)), rec.Version),
		"creation": s.Write(ctx, session.ID{6, 1}, record("new"), session.Version{}),
		"ping":     s.Ping(ctx),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errno) {
			return fmt.Errorf("%s: got error %w, want ErrUnavailable with %w", name, err, errno)
		}
	}
	rec.Seen = rec.Seen.Add(time.Second)
	if err := s.Touch(ctx, faultID, rec); err != nil {
		return fmt.Errorf("touch: %w", err)
	}
	if got, err := s.Read(ctx, faultID); err != nil || string(got.Payload) != "old" || !got.Seen.Equal(rec.Seen) {
		return fmt.Errorf("read: got %.40q, seen %v, error %w", got.Payload, got.Seen, err)
	}
	if err := locked.afterFull(ctx, s, errno); err != nil {
		return err
	}
	if err := s.Destroy(ctx, faultID); err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	if _, err := s.Read(ctx, faultID); !errors.Is(err, session.ErrNotFound) {
		return fmt.Errorf("read after destroy: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "sessions", "06"))
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("%d files are left in the folder, want the lock only; error %w", len(entries), err)
	}
	return nil
}

// lockedSession is one that was locked before the disk became full.
type lockedSession struct {
	id   session.ID
	prev session.Version
	a, b session.LockRequest // who holds it and who waits
}

func lockBeforeFull(ctx context.Context, s *filestore.Store) (lockedSession, error) {
	l := lockedSession{id: session.ID{6, 2}, a: ask("/a", time.Hour), b: ask("/b", time.Hour)}
	rec := record("locked")
	l.prev = rec.Version
	held := s.Write(ctx, l.id, rec, session.Version{})
	for _, r := range []session.LockRequest{l.a, l.b} {
		_, err := s.Acquire(ctx, l.id, r)
		held = errors.Join(held, err)
	}
	return l, held
}

// afterFull checks that nothing can be locked on a full disk, and that what is locked can be released.
func (l lockedSession) afterFull(ctx context.Context, s *filestore.Store, errno syscall.Errno) error {
	_, acquire := s.Acquire(ctx, faultID, ask("/c", time.Hour))
	for name, err := range map[string]error{
		"acquire":           acquire,
		"write and release": s.WriteRelease(ctx, l.id, record(strings.Repeat("new", 5000)), l.prev, l.a.Token),
		"extend":            s.Extend(ctx, l.id, l.a.Token, 2*time.Hour),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errno) {
			return fmt.Errorf("%s: got error %w, want ErrUnavailable with %w", name, err, errno)
		}
	}
	once := ask("/once", time.Hour)
	once.Wait = 0
	if lock, err := s.Acquire(ctx, l.id, once); err != nil || lock.Held || lock.Holder.Path != "/a" {
		return fmt.Errorf("after a failed write somebody else gets %v, holder %v, error %w", lock.Held, lock.Holder, err)
	}
	if rec, err := s.Read(ctx, l.id); err != nil || string(rec.Payload) != "locked" {
		return fmt.Errorf("read after a failed write: got %.40q, error %w", rec.Payload, err)
	}
	if err := s.Release(ctx, l.id, l.a.Token); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := s.Extend(ctx, l.id, l.a.Token, time.Hour); !errors.Is(err, session.ErrLockLost) {
		return fmt.Errorf("extend after release: %w", err)
	}
	if err := s.Destroy(ctx, l.id); err != nil {
		return fmt.Errorf("destroy of a locked session: %w", err)
	}
	return nil
}
