//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

const (
	incrementers = 2      // goroutines of each process
	increments   = 10_000 // of all
)

// TestIncrement has 2 and 4 processes count in one session by compare-and-set, 20,000 times in all. Nothing may get lost, and
// nobody may starve.
func TestIncrement(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{2, 4} {
		t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
			t.Parallel()
			countInProcesses(t, fmt.Sprint("increment, one of ", processes), processes, increments)
		})
	}
}

// countInProcesses runs a child several times at once on a store with one session, which must then hold want.
func countInProcesses(t *testing.T, name string, processes, want int) {
	t.Helper()
	s, dir := newStore(t, nil)
	create(t, s, session.ID{}, "0")
	running := make([]*child, processes)
	for i := range running {
		running[i] = startChild(t, name, dir)
	}
	for _, c := range running {
		if out := c.wait(t); out != "" {
			t.Errorf("a process said: %s", out)
		}
	}
	wantPayload(t, s, session.ID{}, strconv.Itoa(want))
	if names := list(t, filepath.Join(dir, "00")); len(names) != 2 {
		t.Errorf("the folder holds %q, want lock and session", names)
	}
}

// childIncrement is one of several processes.
func childIncrement(dir string, processes int) error {
	s, err := filestore.New(dir, &filestore.Options{NoSync: true, LockWait: 20 * time.Second})
	if err != nil {
		return err
	}
	results := make(chan error)
	for range incrementers {
		go func() {
			var err error
			for n := 0; n < increments/processes/incrementers && err == nil; n++ {
				err = increment(s)
			}
			results <- err
		}()
	}
	var errs []error
	for range incrementers {
		errs = append(errs, <-results)
	}
	return errors.Join(append(errs, s.Close())...)
}

// increment adds one, however often it takes.
func increment(s *filestore.Store) error {
	ctx, cancel := testContext()
	defer cancel()
	for {
		rec, err := s.Read(ctx, session.ID{})
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		n, err := strconv.Atoi(string(rec.Payload))
		if err != nil {
			return err
		}
		prev := rec.Version
		rec.Version, rec.Payload = version(), strconv.AppendInt(nil, int64(n)+1, 10)
		if err = s.Write(ctx, session.ID{}, rec, prev); !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

// TestKill kills 200 processes that write, at any moment. Each prints what it has been told is stored.
func TestKill(t *testing.T) {
	t.Parallel()
	const rounds, writers = 100, 2
	synced, dir := newStore(t, nil)
	stores := []*filestore.Store{synced, openStore(t, dir, &filestore.Options{NoSync: true})}
	create(t, synced, sharedID, writerPayload(1))
	acknowledged, kept := 0, 0
	for round := range rounds {
		var running [writers]*child
		s := stores[round%2]
		for i := range running {
			running[i] = startChild(t, []string{"writer", "writer, not synced"}[round%2], dir)
		}
		for _, c := range running {
			c.line(t) // it has begun
		}
		time.Sleep(rand.N(40 * time.Millisecond))
		for _, c := range running {
			c.signal(t, syscall.SIGKILL)
		}
		for _, c := range running {
			id := writerID(c.cmd.Process.Pid)
			acked := lastLine(c.wait(t))
			got := checkWritten(t, s, id)
			if got != acked && got != acked+1 {
				t.Fatalf("after kill -9 the session holds write %d, acknowledged was %d", got, acked)
			}
			acknowledged += acked
			kept++
		}
		begin := time.Now()
		rec, err := s.Read(t.Context(), sharedID)
		must(t, err)
		next := record(writerPayload(1))
		must(t, s.Write(t.Context(), sharedID, next, rec.Version))
		if took := time.Since(begin); took > time.Second {
			t.Errorf("a write after kill -9 took %v: a lock was left behind", took)
		}
	}
	t.Logf("%d acknowledged writes of %d killed processes", acknowledged, kept)
	if names := list(t, filepath.Join(dir, "quarantine")); len(names) > 0 {
		t.Errorf("%d corrupt records", len(names))
	}
}

// childWriter changes a session of its own, which lies in the same folder as those of its kind, and one that it shares
// with them, until it is killed.
func childWriter(dir string, noSync bool) error {
	ctx, cancel := testContext()
	defer cancel()
	s, err := filestore.New(dir, &filestore.Options{NoSync: noSync})
	if err != nil {
		return err
	}
	id, prev := writerID(os.Getpid()), session.Version{}
	for n := 1; ; n++ {
		rec := record(writerPayload(n))
		if err := s.Write(ctx, id, rec, prev); err != nil {
			return fmt.Errorf("write %d: %w", n, err)
		}
		fmt.Println(n)
		prev = rec.Version
		shared, err := s.Read(ctx, sharedID)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return err
		}
		err = s.Write(ctx, sharedID, record(writerPayload(n)), shared.Version)
		if err != nil && !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrExists) {
			return err
		}
	}
}

var sharedID = session.ID{5}

func writerID(pid int) session.ID {
	return session.ID{5, 1, byte(pid >> 16), byte(pid >> 8), byte(pid)}
}

// writerPayload has a size that depends on n and repeats it to the end.
func writerPayload(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), 1+n%512) }

// checkWritten returns which write a session holds, all of it.
func checkWritten(t *testing.T, s *filestore.Store, id session.ID) int {
	t.Helper()
	rec, err := s.Read(t.Context(), id)
	if err != nil {
		t.Fatalf("Read after kill -9: %v", err)
	}
	n, err := strconv.Atoi(string(rec.Payload[:8]))
	if err != nil || string(rec.Payload) != writerPayload(n) {
		t.Fatalf("the record is torn: %.40q…", rec.Payload)
	}
	return n
}

// lastLine returns the number in the last complete line; without one the writer had printed 1, which the test has read.
func lastLine(out string) int {
	lines := strings.Split(out, "\n")
	if len(lines) < 2 {
		return 1
	}
	n, err := strconv.Atoi(lines[len(lines)-2])
	if err != nil {
		return -1
	}
	return n
}
