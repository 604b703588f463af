//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// testContext is for child processes, which have no testing.T.
func testContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*time.Minute)
}

// TestStoppedHolder has a stopped process hold a lock: reads and other folders go on, changes end in time, with their
// context or after LockWait, and go on at once when the process dies.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	s, dir := newStore(t, &filestore.Options{LockWait: wait})
	id := session.ID{3}
	rec := create(t, s, id, "payload")
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	holder.signal(t, syscall.SIGSTOP)

	next := record("changed")
	calls := map[string]func(ctx context.Context) error{
		"Write":   func(ctx context.Context) error { return s.Write(ctx, id, next, rec.Version) },
		"Touch":   func(ctx context.Context) error { return s.Touch(ctx, id, rec) },
		"Destroy": func(ctx context.Context) error { return s.Destroy(ctx, id) },
	}
	var wg sync.WaitGroup
	for name, call := range calls {
		for range 3 { // so that some wait for each other, not for the holder
			wg.Go(func() {
				begin := time.Now()
				err := call(t.Context())
				if took := time.Since(begin); !errors.Is(err, session.ErrUnavailable) || took < wait || took > wait+2*time.Second {
					t.Errorf("%s: error %v after %v, want ErrUnavailable after %v", name, err, took, wait)
				}
			})
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), wait/3)
				defer cancel()
				begin := time.Now()
				err := call(ctx)
				took := time.Since(begin)
				if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || took > wait/3+2*time.Second {
					t.Errorf("%s: error %v after %v, want the end of its context after %v", name, err, took, wait/3)
				}
			})
		}
	}
	wg.Wait()
	wantPayload(t, s, id, "payload")
	create(t, s, session.ID{4}, "in another folder")
	must(t, s.Ping(t.Context()))

	patient := openStore(t, dir, nil)
	done := make(chan error)
	go func() { done <- patient.Write(t.Context(), id, next, rec.Version) }()
	time.Sleep(20 * time.Millisecond)
	holder.signal(t, syscall.SIGKILL)
	must(t, <-done)
	wantPayload(t, s, id, "changed")
	if names := list(t, filepath.Join(dir, "03")); len(names) != 2 {
		t.Errorf("the folder holds %d files, want lock and session", len(names))
	}
}

func childHolder(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
	return f.Close()
}

// TestStoppedHolderGC says that a stuck folder does not keep GC from the others.
func TestStoppedHolderGC(t *testing.T) {
	t.Parallel()
	const each = 12
	s, dir := newStore(t, &filestore.Options{LockWait: 100 * time.Millisecond})
	expire := func(folder byte) {
		for i := range byte(each) {
			plantExpired(t, s, dir, session.ID{folder, i})
		}
	}
	expire(3)
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	if n, err := s.GC(t.Context(), 100); n != 0 || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("GC of a stuck folder: got %d, error %v", n, err)
	}
	expire(4)
	if n, err := s.GC(t.Context(), each); n != each || err != nil {
		t.Errorf("GC after that: got %d, error %v, want %d from the next folder", n, err, each)
	}
	holder.signal(t, syscall.SIGKILL)
	holder.wait(t)
	if n, err := s.GC(t.Context(), 100); n != each || err != nil {
		t.Errorf("GC after the lock was given back: got %d, error %v, want %d", n, err, each)
	}
}

// TestReplacedLock deletes a lock file that a store has open: it must not go on with a lock that others do not see.
func TestReplacedLock(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{LockWait: 100 * time.Millisecond})
	rec := create(t, s, session.ID{3}, "payload")
	path := filepath.Join(dir, "03", "lock")
	must(t, os.Remove(path))
	create(t, openStore(t, dir, nil), session.ID{3, 1}, "makes the lock file anew")
	holder := startChild(t, "holder", path)
	holder.line(t)
	wantError(t, s.Write(t.Context(), session.ID{3}, record("changed"), rec.Version), session.ErrUnavailable, dir)
	wantPayload(t, s, session.ID{3}, "payload")
}

// TestGarbageReplaced has somebody replace garbage while a reader waits to move it to the quarantine.
func TestGarbageReplaced(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{LockWait: time.Minute})
	path := pathOf(dir, session.ID{3})
	create(t, s, session.ID{3}, "payload")
	good, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte("garbage"), 0o600))
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	done := make(chan error, 1)
	go func() {
		rec, err := s.Read(t.Context(), session.ID{3})
		if err == nil && string(rec.Payload) != "payload" {
			err = fmt.Errorf("got payload %q", rec.Payload)
		}
		done <- err
	}()
	time.Sleep(50 * time.Millisecond) // if that is too short, the reader reads the good record only
	must(t, os.WriteFile(path, good, 0o600))
	holder.signal(t, syscall.SIGKILL)
	if err := <-done; err != nil {
		t.Errorf("Read: %v", err)
	}
	wantPayload(t, s, session.ID{3}, "payload")
}

// TestCloseWaits says that Close waits for a call that runs, and only for that long.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	s, dir := newStore(t, nil)
	rec := create(t, s, session.ID{3}, "payload")
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		s := openStore(t, dir, &filestore.Options{LockWait: wait + pause})
		done := make(chan error, 1)
		begin := time.Now()
		go func() { done <- s.Touch(t.Context(), session.ID{3}, rec) }()
		time.Sleep(pause)
		must(t, s.Close())
		took := time.Since(begin)
		err := <-done
		if errors.Is(err, session.ErrClosed) && pause < 10*time.Second {
			continue // the call had not begun yet
		}
		if !errors.Is(err, session.ErrUnavailable) || took < wait {
			t.Errorf("Touch: error %v; Close returned after %v, the call was to end after %v", err, took, wait+pause)
		}
		return
	}
}
