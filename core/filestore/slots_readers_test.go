//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	countChanges = 2500   // of each of
	countWriters = 2      // goroutines, of each process
	countSize    = 11_000 // bytes; a read of both slots takes long enough to meet changes
)

func countPayload(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), countSize/8) }

// TestReadersInPlace reads a session that several goroutines and processes change in place. Every read brings a whole record,
// none older than what was acknowledged before it began, nor than the one that the same reader has had before.
func TestReadersInPlace(t *testing.T) {
	t.Parallel()
	t.Run("goroutines", func(t *testing.T) {
		t.Parallel()
		s, dir := newStore(t, &unsynced)
		create(t, s, session.ID{}, countPayload(0))
		second := openStore(t, dir, &unsynced)
		var acked atomic.Int64
		readWhileChanged(t, []*filestore.Store{s, openStore(t, dir, nil)}, &acked, func() error {
			other := make(chan error)
			go func() { other <- countAll(second, &acked) }()
			return errors.Join(countAll(s, &acked), <-other)
		})
		wantPayload(t, s, session.ID{}, countPayload(2*countWriters*countChanges))
	})
	t.Run("processes", func(t *testing.T) {
		t.Parallel()
		s, dir := newStore(t, nil)
		create(t, s, session.ID{}, countPayload(0))
		running := []*child{startChild(t, "count in place", dir), startChild(t, "count in place", dir)}
		readWhileChanged(t, []*filestore.Store{s, s}, new(atomic.Int64), func() error {
			for _, c := range running {
				if out := c.wait(t); out != "" {
					return errors.New(out)
				}
			}
			return nil
		})
		wantPayload(t, s, session.ID{}, countPayload(2*countWriters*countChanges))
		if names := list(t, dir+"/quarantine"); len(names) > 0 {
			t.Errorf("the quarantine holds %q", names)
		}
	})
}

// readWhileChanged reads until change returns.
func readWhileChanged(t *testing.T, stores []*filestore.Store, acked *atomic.Int64, change func() error) {
	t.Helper()
	var over atomic.Bool
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			reads, last := 0, 0
			for ; !over.Load() && !t.Failed(); reads++ {
				least := max(last, int(acked.Load()))
				rec, err := s.Read(t.Context(), session.ID{})
				if err != nil {
					t.Errorf("read %d: %v", reads, err)
					return
				}
				n, err := strconv.Atoi(string(rec.Payload[:8]))
				if err != nil || string(rec.Payload) != countPayload(n) {
					t.Errorf("read %d: a torn record: %.20q…", reads, rec.Payload)
				}
				if n < least {
					t.Errorf("read %d: got change %d, after %d had been seen or acknowledged", reads, n, least)
				}
				last = n
			}
			t.Logf("%d reads", reads)
		})
	}
	err := change()
	over.Store(true)
	wg.Wait()
	must(t, err)
}

// countAll counts in a session with several goroutines.
func countAll(s *filestore.Store, acked *atomic.Int64) error {
	results := make(chan error)
	for range countWriters {
		go func() {
			var err error
			for n := 0; n < countChanges && err == nil; n++ {
				err = countOne(s, acked)
			}
			results <- err
		}()
	}
	var errs []error
	for range countWriters {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func countOne(s *filestore.Store, acked *atomic.Int64) error {
	ctx, cancel := testContext()
	defer cancel()
	for {
		rec, err := s.Read(ctx, session.ID{})
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		n, err := strconv.Atoi(string(rec.Payload[:8]))
		if err != nil {
			return err
		}
		prev := rec.Version
		rec.Version, rec.Payload = version(), []byte(countPayload(n+1))
		if err = s.Write(ctx, session.ID{}, rec, prev); errors.Is(err, session.ErrConflict) {
			continue
		}
		for old := acked.Load(); err == nil && old <= int64(n) && !acked.CompareAndSwap(old, int64(n)+1); old = acked.Load() {
		}
		return err
	}
}

func childCountInPlace(dir string) error {
	s, err := filestore.New(dir, &unsynced)
	if err != nil {
		return err
	}
	return errors.Join(countAll(s, new(atomic.Int64)), s.Close())
}
