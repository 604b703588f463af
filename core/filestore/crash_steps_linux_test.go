//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// crashStep is a call, and what it makes of a session.
type crashStep struct {
	do   func(ctx context.Context, s *filestore.Store, dir string) error
	id   session.ID
	want *session.Record // nil: the session has gone

	trash bool // it leaves garbage
}

var errNoStep = errors.New("the step did not do what it should")

// crashScenarios are all ways to change a store. Each begins with an empty disk, where New has made the folder.
func crashScenarios() map[string][]crashStep {
	a, b, other := session.ID{7, 1}, session.ID{7, 2}, session.ID{8}
	old, bystander := record("old "+strings.Repeat("x", 100)), record("bystander")
	saved, again := record("saved"), record(strings.Repeat("again", 50))
	renewed := record("old and renewed")
	tombstone := record("")
	tombstone.Successor = b
	touched := old
	touched.Seen = old.Seen.Add(time.Minute)
	r := ask("/", time.Hour)
	waiter := ask("/waiter", time.Hour)
	return map[string][]crashStep{
		"create and save": {put(b, bystander, session.Version{}), put(a, old, session.Version{}), put(a, saved, old.Version), put(a, again, saved.Version),
			put(other, bystander, session.Version{})},
		"touch":             {put(a, old, session.Version{}), call(a, &touched, func(ctx context.Context, s *filestore.Store) error { return s.Touch(ctx, a, touched) })},
		"renewal":           {put(a, old, session.Version{}), put(b, renewed, session.Version{}), put(a, tombstone, old.Version), end(a)},
		"destroy":           {put(b, bystander, session.Version{}), put(a, old, session.Version{}), end(a)},
		"destroy a version": {put(a, old, session.Version{}), put(a, saved, old.Version), endVersion(a, saved.Version)},
		"logout":            {put(a, old, session.Version{}), put(a, tombstone, old.Version), end(a)},
		"lock":              {put(a, old, session.Version{}), hold(a, &old, r), line(a, &old, waiter), release(a, saved, old.Version, r.Token), hold(a, &saved, waiter), end(a)},
		"lock and no end":   {put(a, old, session.Version{}), hold(a, &old, r), free(a, &old, r.Token), put(a, saved, old.Version)},
		"garbage":           {put(b, bystander, session.Version{}), litter(a), corrupt(a), put(a, old, session.Version{})},
		"GC":                {put(b, bystander, session.Version{}), expire(a), leftover(), collect()},
	}
}

func call(id session.ID, want *session.Record, do func(context.Context, *filestore.Store) error) crashStep {
	return crashStep{do: func(ctx context.Context, s *filestore.Store, _ string) error { return do(ctx, s) }, id: id, want: want}
}

func put(id session.ID, rec session.Record, prev session.Version) crashStep {
	return call(id, &rec, func(ctx context.Context, s *filestore.Store) error { return s.Write(ctx, id, rec, prev) })
}

func end(id session.ID) crashStep {
	return call(id, nil, func(ctx context.Context, s *filestore.Store) error { return s.Destroy(ctx, id) })
}

func endVersion(id session.ID, version session.Version) crashStep {
	return call(id, nil, func(ctx context.Context, s *filestore.Store) error { return s.DestroyVersion(ctx, id, version) })
}

func hold(id session.ID, rec *session.Record, ask session.LockRequest) crashStep {
	return call(id, rec, func(ctx context.Context, s *filestore.Store) error {
		lock, err := s.Acquire(ctx, id, ask)
		if err == nil && !lock.Held {
			return errNoStep
		}
		return err
	})
}

func line(id session.ID, rec *session.Record, ask session.LockRequest) crashStep {
	return call(id, rec, func(ctx context.Context, s *filestore.Store) error {
		lock, err := s.Acquire(ctx, id, ask)
		if err == nil && lock.Held {
			return errNoStep
		}
		return err
	})
}

func release(id session.ID, rec session.Record, prev session.Version, token session.LockToken) crashStep {
	return call(id, &rec, func(ctx context.Context, s *filestore.Store) error { return s.WriteRelease(ctx, id, rec, prev, token) })
}

func free(id session.ID, rec *session.Record, token session.LockToken) crashStep {
	return call(id, rec, func(ctx context.Context, s *filestore.Store) error { return s.Release(ctx, id, token) })
}

// litter puts garbage in the place of a session.
func litter(id session.ID) crashStep {
	return crashStep{id: id, trash: true, do: func(_ context.Context, _ *filestore.Store, dir string) error {
		return os.WriteFile(pathOf(dir, id), []byte("this is no record"), 0o600)
	}}
}

func corrupt(id session.ID) crashStep {
	return call(id, nil, func(ctx context.Context, s *filestore.Store) error {
		if _, err := s.Read(ctx, id); !errors.Is(err, session.ErrCorrupt) {
			return errNoStep
		}
		return nil
	})
}

// expire stores a session that is over when the next step begins.
func expire(id session.ID) crashStep {
	return call(id, nil, func(ctx context.Context, s *filestore.Store) error {
		rec := record("short")
		rec.TTL = 20 * time.Millisecond
		defer time.Sleep(rec.TTL)
		return s.Write(ctx, id, rec, session.Version{})
	})
}

// leftover is what a writer that died long ago has left behind.
func leftover() crashStep {
	return crashStep{id: session.ID{7}, do: func(_ context.Context, _ *filestore.Store, dir string) error {
		name := fmt.Sprintf("tmp-%019d-0123456789abcdef", time.Now().Add(-2*time.Hour).UnixNano())
		return os.WriteFile(filepath.Join(dir, "07", name), []byte("what a writer has left behind"), 0o600)
	}}
}

func collect() crashStep {
	return call(session.ID{7}, nil, func(ctx context.Context, s *filestore.Store) error {
		n, err := s.GC(ctx, 100)
		if err == nil && n != 1 {
			return errNoStep
		}
		return err
	})
}
