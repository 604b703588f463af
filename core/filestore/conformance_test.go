//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// TestConformance runs the contract's suite with two Stores on one folder as its two nodes.
func TestConformance(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sessions")
	sessiontest.Run(t, sessiontest.Harness{
		Open: func(context.Context) (session.Handler, error) {
			return filestore.New(dir, &filestore.Options{MaxBytes: 2 << 20})
		},
		Toucher: true, Pinger: true, Locker: true, Closer: true,
		MaxBytes: 2 << 20, TooLarge: 2<<20 + 1,
		Broken: func(context.Context) (session.Handler, error) {
			gone := filepath.Join(t.TempDir(), "gone")
			s, err := filestore.New(gone, nil)
			if err != nil {
				return nil, err
			}
			return s, os.RemoveAll(gone)
		},
		Garble: func(_ context.Context, id session.ID) error {
			return os.WriteFile(pathOf(dir, id), []byte("not a record"), 0o600)
		},
	})
}
