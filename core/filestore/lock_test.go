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
				if took := time.Since(begin); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || took > wait/3+2*time.Second {
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

// TestStoppedHolderGC says that one stuck folder neither blocks GC nor keeps it from the others.
func TestStoppedHolderGC(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{LockWait: 100 * time.Millisecond})
	for b := range byte(8) {
		plantExpired(t, s, dir, session.ID{b})
		plantExpired(t, s, dir, session.ID{b, 1})
	}
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	removed, failed := 0, 0
	for range 4 {
		n, err := s.GC(t.Context(), 100)
		removed += n
		if err != nil {
			wantError(t, err, session.ErrUnavailable, dir)
			failed++
		}
	}
	if removed != 14 || failed == 0 {
		t.Errorf("GC removed %d sessions and failed %d times, want 14 and a failure", removed, failed)
	}
	holder.signal(t, syscall.SIGKILL)
	holder.wait(t)
	if n, err := s.GC(t.Context(), 100); n != 2 || err != nil {
		t.Errorf("GC after the lock was given back: got %d, error %v, want 2", n, err)
	}
}

// TestCloseWaits says that Close waits for a call that runs, and that it ends.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{LockWait: 200 * time.Millisecond})
	rec := create(t, s, session.ID{3}, "payload")
	holder := startChild(t, "holder", filepath.Join(dir, "03", "lock"))
	holder.line(t)
	done := make(chan error, 1)
	go func() { done <- s.Touch(t.Context(), session.ID{3}, rec) }()
	time.Sleep(50 * time.Millisecond)
	must(t, s.Close())
	select {
	case err := <-done:
		if !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrClosed) {
			t.Errorf("Touch: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("Close did not wait for Touch")
	}
}
