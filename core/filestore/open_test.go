//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestOpenURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct{ name, url, want string }{
		{"plain", "file://" + dir + "/plain", ""},
		{"all parameters", "file://" + dir + "/all?sync=false&lock_wait=150ms&max_bytes=1000", ""},
		{"escaped path", "file://" + dir + "/a%20%23%3f%25b", ""},
		{"host", "file://secret.example/sessions", "no host"},
		{"relative, taken for a host", "file://sessions", "no host"},
		{"user", "file://me:pw@/sessions", "no host"},
		{"opaque", "file:sessions", "file:///"},
		{"empty path", "file://", "absolute path"},
		{"fragment", "file://" + dir + "/a#b", "fragment"},
		{"unknown parameter", "file://" + dir + "/p?fsync=false", "unknown parameter fsync"},
		{"malformed bool", "file://" + dir + "/p?sync=perhaps", "sync must be"},
		{"malformed duration", "file://" + dir + "/p?lock_wait=5", "lock_wait must be"},
		{"no bytes", "file://" + dir + "/p?max_bytes=0", "max_bytes must be"},
		{"missing parent", "file://" + dir + "/missing/sessions", "parent folder is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, err := session.Open(t.Context(), c.url)
			if c.want == "" {
				if err != nil {
					t.Fatalf("Open: %v", err)
				}
				must(t, h.(*filestore.Store).Close())
				return
			}
			if h != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Open: got %v, error %v, want an error with %q", h, err, c.want)
			}
			if strings.Contains(err.Error(), dir) {
				t.Errorf("the error shows the path: %v", err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	for name, opts := range map[string]filestore.Options{
		"LockWait": {LockWait: -time.Second},
		"MaxBytes": {MaxBytes: -1},
	} {
		if s, err := filestore.New(dir, &opts); s != nil || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New with a negative %s: got %v, error %v", name, s, err)
		}
	}
}

func TestMaxBytes(t *testing.T) {
	t.Parallel()
	for _, noSync := range []bool{false, true} {
		for _, size := range []int{101, 1000, 100_000} {
			large, dir := newStore(t, &filestore.Options{NoSync: noSync})
			small := openStore(t, dir, &filestore.Options{NoSync: noSync, MaxBytes: 100})
			fits, big := session.ID{1}, session.ID{2}
			create(t, small, fits, strings.Repeat("x", 100))
			wantError(t, small.Write(t.Context(), big, record(strings.Repeat("x", 101)), session.Version{}), session.ErrTooLarge, dir)
			create(t, large, big, strings.Repeat("x", size))
			wantError(t, readError(t, small, big), session.ErrCorrupt, dir)
			wantPayload(t, large, big, strings.Repeat("x", size)) // still there
			if err := readError(t, small, big); errors.Is(err, session.ErrNotFound) {
				t.Error("a record over the limit of one process was taken away from the others")
			}
		}
	}
}
