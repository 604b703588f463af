//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestDescriptors says how many files a store has open: three a folder, the store's own, and that of GC. Those of sessions
// are bare descriptors, which no finalizer closes, so that none may be forgotten whatever a call returns.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	if out := startChild(t, "descriptors", t.TempDir()).wait(t); out != "" {
		t.Error(out)
	}
}

func childDescriptors(dir string) error {
	ctx, cancel := testContext()
	defer cancel()
	before := descriptors()
	s, err := filestore.New(dir, &filestore.Options{MaxBytes: 1000, NoSync: true})
	if err != nil {
		return err
	}
	for i := range 256 {
		if err := s.Write(ctx, session.ID{byte(i)}, record("payload"), session.Version{}); err != nil {
			return err
		}
	}
	const most = 3*256 + 1
	if n := descriptors() - before; n > most {
		return fmt.Errorf("a store has %d descriptors, want %d at most", n, most)
	}
	before = descriptors()
	id, absent, old, late := session.ID{1}, session.ID{1, 1}, session.ID{1, 2}, record("late")
	late.Seen, late.TTL = time.Now().Add(-time.Hour), time.Minute
	large := record(strings.Repeat("x", 1001))
	held := ask("/", time.Minute)
	held.Wait = 0
	for call, do := range map[string]func() error{
		"read":            func() error { _, err := s.Read(ctx, id); return err },
		"read nothing":    func() error { _, err := s.Read(ctx, absent); return err },
		"touch":           func() error { return s.Touch(ctx, id, late) },
		"change":          func() error { rec, _ := s.Read(ctx, id); return s.Write(ctx, id, record("new"), rec.Version) },
		"change, refused": func() error { return s.Write(ctx, id, record("new"), version()) },
		"change, large":   func() error { rec, _ := s.Read(ctx, id); return s.Write(ctx, id, large, rec.Version) },
		"change, expired": func() error { rec, _ := s.Read(ctx, id); return s.Write(ctx, id, late, rec.Version) },
		"applied before":  func() error { rec, _ := s.Read(ctx, id); return s.Write(ctx, id, rec, version()) },
		"create, destroy": func() error {
			return errors.Join(s.Write(ctx, absent, record("new"), session.Version{}), s.Destroy(ctx, absent))
		},
		"lock": func() error {
			_, err := s.Acquire(ctx, id, held)
			rec, _ := s.Read(ctx, id)
			return errors.Join(err, s.WriteRelease(ctx, id, record("new"), rec.Version, held.Token))
		},
		"lock, lost": func() error {
			rec, _ := s.Read(ctx, id)
			return s.WriteRelease(ctx, id, record("new"), rec.Version, held.Token)
		},
		"read expired": func() error {
			return errors.Join(plantFile(dir, old, session.AppendRecord(nil, &late)), readOnly(s, old))
		},
		"read garbage": func() error { return errors.Join(plantFile(dir, old, []byte("garbage")), readOnly(s, old)) },
		"read too large": func() error {
			return errors.Join(plantFile(dir, old, session.AppendRecord(nil, &large)), readOnly(s, old))
		},
		"read a link": func() error { return errors.Join(os.Symlink("lock", pathOf(dir, old)), readOnly(s, old)) },
		"read a folder": func() error {
			return errors.Join(os.RemoveAll(pathOf(dir, old)), os.Mkdir(pathOf(dir, old), 0o700), readOnly(s, old))
		},
	} {
		for range 10 {
			err = do()
		}
		if n := descriptors() - before; n != 0 {
			return fmt.Errorf("%s, which ends with error %w, leaves %d descriptors open", call, err, n)
		}
	}
	return s.Close()
}

func plantFile(dir string, id session.ID, data []byte) error {
	at := pathOf(dir, id)
	return errors.Join(os.RemoveAll(at), os.WriteFile(at, data, 0o600))
}

func readOnly(s *filestore.Store, id session.ID) error {
	ctx, cancel := testContext()
	defer cancel()
	_, err := s.Read(ctx, id)
	return err
}

// descriptors counts those of this process, and one for the folder that tells of them.
func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}
