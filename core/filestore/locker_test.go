//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

var _ session.Locker = (*filestore.Store)(nil)

// ask makes a request of somebody who waits, if need be.
func ask(path string, lease time.Duration) session.LockRequest {
	r := session.LockRequest{Lease: lease, Wait: time.Minute, Holder: session.Holder{Method: "POST", Path: path, Node: "n"}}
	_, _ = rand.Read(r.Token[:]) // never fails
	return r
}

// await asks as a Manager does until it has the lock.
func await(ctx context.Context, s *filestore.Store, id session.ID, r session.LockRequest) (session.Lock, error) {
	for {
		lock, err := s.Acquire(ctx, id, r)
		if err != nil || lock.Held {
			return lock, err
		}
		time.Sleep(lock.Retry)
	}
}

func mustHold(t testing.TB, s *filestore.Store, id session.ID, r session.LockRequest) session.Lock {
	t.Helper()
	lock, err := s.Acquire(t.Context(), id, r)
	must(t, err)
	if !lock.Held {
		t.Fatalf("%s does not get the lock, %v has it", r.Holder.Path, lock.Holder)
	}
	return lock
}

// leaseOf returns the file of a session's lock.
func leaseOf(dir string, id session.ID) string { return pathOf(dir, id) + ".lock" }

// TestLeaseFile follows the file of a lock: it is there only while there is something in it.
func TestLeaseFile(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{7}
	rec := create(t, s, id, "payload")
	gone := func(when string) {
		t.Helper()
		if names := list(t, filepath.Dir(leaseOf(dir, id))); len(names) != 2 {
			t.Errorf("%s the folder holds %q, want lock and session", when, names)
		}
	}
	a, b := ask("/a", time.Hour), ask("/b", time.Hour)
	mustHold(t, s, id, a)
	info, err := os.Lstat(leaseOf(dir, id))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file of a held lock: mode %v, error %v", info.Mode(), err)
	}
	must(t, s.Release(t.Context(), id, a.Token))
	gone("after Release")

	mustHold(t, s, id, a)
	lock, err := s.Acquire(t.Context(), id, b)
	if err != nil || lock.Held || lock.Holder.Path != "/a" || lock.Retry <= 0 {
		t.Fatalf("a waiter gets %+v, error %v", lock, err)
	}
	before, err := os.Lstat(leaseOf(dir, id))
	must(t, err)
	for range 10 { // asking again changes nothing, and costs the others no lock
		if lock, err := s.Acquire(t.Context(), id, b); err != nil || lock.Held {
			t.Fatalf("a waiter gets %+v, error %v", lock, err)
		}
	}
	if after, err := os.Lstat(leaseOf(dir, id)); err != nil || !os.SameFile(before, after) {
		t.Errorf("a waiter has written, error %v", err)
	}
	next := record("changed")
	must(t, s.WriteRelease(t.Context(), id, next, rec.Version, a.Token))
	if lock := mustHold(t, s, id, b); string(lock.Record.Payload) != "changed" {
		t.Errorf("the next holder reads %q", lock.Record.Payload)
	}
	must(t, s.Release(t.Context(), id, b.Token))
	gone("after the last Release")

	mustHold(t, s, id, a)
	must(t, s.Destroy(t.Context(), id))
	if names := list(t, filepath.Dir(leaseOf(dir, id))); len(names) != 1 {
		t.Errorf("after Destroy the folder holds %q, want the lock of the folder", names)
	}
}

// TestLeaseGarbage puts something else in the place of a lock. It counts as a free one, is not followed, and is kept.
func TestLeaseGarbage(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "target")
	must(t, os.WriteFile(target, []byte(`{}`), 0o600))
	for name, plant := range map[string]func(path string) error{
		"text":       func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o600) },
		"nothing":    func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"cut":        func(path string) error { return os.WriteFile(path, []byte(`{"token":[1,2`), 0o600) },
		"huge":       func(path string) error { return os.WriteFile(path, make([]byte, 2<<20), 0o600) },
		"link":       func(path string) error { return os.Symlink(target, path) },
		"folder":     func(path string) error { return os.MkdirAll(filepath.Join(path, "in", "it"), 0o700) },
		"named FIFO": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := newStore(t, &filestore.Options{MaxBytes: 1 << 20})
			id := session.ID{8}
			rec := create(t, s, id, "payload")
			must(t, plant(leaseOf(dir, id)))
			wantPayload(t, s, id, "payload")
			a := ask("/a", time.Hour)
			wantError(t, s.Extend(t.Context(), id, a.Token, time.Hour), session.ErrLockLost, dir)
			if names := list(t, filepath.Join(dir, "quarantine")); len(names) != 1 {
				t.Errorf("the quarantine holds %q", names)
			}
			mustHold(t, s, id, a)
			must(t, s.WriteRelease(t.Context(), id, record("changed"), rec.Version, a.Token))
			must(t, plant(leaseOf(dir, id)))
			must(t, s.Release(t.Context(), id, a.Token))
			wantPayload(t, s, id, "changed")

			mustHold(t, s, id, a)
			must(t, errors.Join(os.Remove(leaseOf(dir, id)), plant(leaseOf(dir, id))))
			wantError(t, s.WriteRelease(t.Context(), id, record("late"), rec.Version, a.Token), session.ErrLockLost, dir)
			wantPayload(t, s, id, "changed")
			must(t, plant(leaseOf(dir, id)))
			must(t, s.Destroy(t.Context(), id))
			wantError(t, readError(t, s, id), session.ErrNotFound, dir)
		})
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != `{}` {
		t.Errorf("the target of a link holds %q, error %v", data, err)
	}
}

// TestLeaseGC has GC remove the locks of sessions that have gone, and of those that it removes itself, and no others.
func TestLeaseGC(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, &filestore.Options{NoSync: true})
	kept, left, dir2, over := session.ID{9, 1}, session.ID{9, 2}, session.ID{9, 3}, session.ID{9, 4}
	for _, id := range []session.ID{kept, left, dir2, over} {
		create(t, s, id, "payload")
		mustHold(t, s, id, ask("/dead", time.Millisecond))
	}
	must(t, os.Remove(pathOf(dir, left)))
	must(t, errors.Join(os.Remove(pathOf(dir, dir2)), os.Remove(leaseOf(dir, dir2)), os.MkdirAll(leaseOf(dir, dir2)+"/in", 0o700)))
	plantExpired(t, s, dir, over)
	removed := 0
	for range 2 {
		n, err := s.GC(t.Context(), 100)
		must(t, err)
		removed += n
	}
	if removed != 1 {
		t.Errorf("GC has counted %d, want the expired session only", removed)
	}
	names := list(t, filepath.Join(dir, "09"))
	if len(names) != 3 || !strings.HasSuffix(names[1], ".lock") || names[1] != names[0]+".lock" {
		t.Errorf("the folder holds %q, want one session, its lock and the folder's", names)
	}
	if lock := mustHold(t, s, kept, ask("/heir", time.Hour)); !lock.Unclean || lock.Holder.Path != "/dead" {
		t.Errorf("GC has taken the lock of a living session: its heir is told %+v", lock)
	}

	plantExpired(t, s, dir, left)
	must(t, os.WriteFile(leaseOf(dir, left), []byte(`{"token":[1],"expires":"2999-01-01T00:00:00Z"}`), 0o600))
	create(t, s, left, "anew")
	if lock := mustHold(t, s, left, ask("/new", time.Hour)); lock.Unclean {
		t.Error("the lock of an expired session is that of the one in its place")
	}
}

// TestLeaseFolderDeleted deletes a folder in which a session is locked.
func TestLeaseFolderDeleted(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{10}
	rec := create(t, s, id, "payload")
	a := ask("/a", time.Hour)
	mustHold(t, s, id, a)
	other, waiter := openStore(t, dir, nil), ask("/waiter", time.Hour)
	lock, err := other.Acquire(t.Context(), id, waiter)
	if err != nil || lock.Held {
		t.Fatalf("a waiter gets %+v, error %v", lock, err)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "0a")))
	_, err = other.Acquire(t.Context(), id, waiter)
	wantError(t, err, session.ErrNotFound, dir)
	_, err = s.Acquire(t.Context(), id, a)
	wantError(t, err, session.ErrNotFound, dir)
	wantError(t, s.WriteRelease(t.Context(), id, record("late"), rec.Version, a.Token), session.ErrNotFound, dir)
	wantError(t, s.Extend(t.Context(), id, a.Token, time.Hour), session.ErrNotFound, dir)
	must(t, s.Release(t.Context(), id, a.Token))
	create(t, s, id, "anew")
	mustHold(t, s, id, ask("/b", time.Hour))
}

const (
	lockers    = 3
	lockRounds = 40 // of each of two goroutines of each process
)

// TestLockProcesses has processes count in one session by reading and writing under its lock. No conflict may come up.
func TestLockProcesses(t *testing.T) {
	t.Parallel()
	countInProcesses(t, "lock and increment", lockers, lockers*2*lockRounds)
}

func childLockIncrement(dir string) error {
	s, err := filestore.New(dir, &filestore.Options{NoSync: true, LockWait: 20 * time.Second})
	if err != nil {
		return err
	}
	results := make(chan error)
	for range 2 {
		go func() {
			var err error
			for n := 0; n < lockRounds && err == nil; n++ {
				err = lockIncrement(s)
			}
			results <- err
		}()
	}
	return errors.Join(<-results, <-results, s.Close())
}

func lockIncrement(s *filestore.Store) error {
	ctx, cancel := testContext()
	defer cancel()
	r := ask("/count", time.Minute)
	lock, err := await(ctx, s, session.ID{}, r)
	if err != nil {
		return fmt.Errorf("acquire: %w", err)
	}
	n, err := strconv.Atoi(string(lock.Record.Payload))
	if err != nil {
		return err
	}
	rec := lock.Record
	rec.Version, rec.Payload = version(), strconv.AppendInt(nil, int64(n)+1, 10)
	return s.WriteRelease(ctx, session.ID{}, rec, lock.Record.Version, r.Token)
}

// TestLockKilled kills a process that holds a lock, and one that waits for it. Neither may stop the others for long.
func TestLockKilled(t *testing.T) {
	t.Parallel()
	s, dir := newStore(t, nil)
	id := session.ID{}
	create(t, s, id, "0")
	holder := startChild(t, "lock", dir)
	holder.line(t)
	waiter := startChild(t, "wait for a lock", dir)
	waiter.line(t)
	mine := ask("/mine", time.Hour)
	if lock, err := s.Acquire(t.Context(), id, mine); err != nil || lock.Held || lock.Holder.Path != "/dead" {
		t.Fatalf("behind two others: got %+v, error %v", lock, err)
	}
	waiter.signal(t, syscall.SIGKILL)
	holder.signal(t, syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lock, err := await(ctx, s, id, mine)
	must(t, err)
	if !lock.Unclean || lock.Holder.Path != "/dead" || lock.Holder.Method != "POST" || lock.Holder.Since.IsZero() {
		t.Errorf("the heir of a killed process is told %+v", lock)
	}
}

// childLock takes the lock and keeps it until it is killed.
func childLock(dir string) error { return childAsk(dir, ask("/dead", 2*time.Second)) }

// childWaitLock takes a place in the queue and does not ask again.
func childWaitLock(dir string) error { return childAsk(dir, ask("/waiter", time.Hour)) }

func childAsk(dir string, r session.LockRequest) error {
	ctx, cancel := testContext()
	defer cancel()
	s, err := filestore.New(dir, nil)
	if err != nil {
		return err
	}
	lock, err := s.Acquire(ctx, session.ID{}, r)
	if err != nil {
		return err
	}
	fmt.Println("asked, held:", lock.Held)
	<-ctx.Done()
	return nil
}
