//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// TestConformance runs the contract's suite with two Stores on one folder as its two nodes: both durable, both not, and one of
// each.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, noSync := range map[string][]bool{"synced": {false}, "not synced": {true}, "mixed": {false, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conform(t, noSync)
		})
	}
}

// conform opens stores with the settings in turn.
func conform(t *testing.T, noSync []bool) {
	dir := filepath.Join(t.TempDir(), "sessions")
	var opened atomic.Uint64
	sessiontest.Run(t, sessiontest.Harness{
		Open: func(context.Context) (session.Handler, error) {
			set := noSync[opened.Add(1)%uint64(len(noSync))]
			return filestore.New(dir, &filestore.Options{MaxBytes: 2 << 20, NoSync: set})
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
			// GC of another case leaves this alone, and would have moved garbage before the case looks at it.
			return os.WriteFile(pathOf(dir, id), []byte("N\xff"+strings.Repeat("as a later version has written it ", 2)), 0o600)
		},
	})
}
