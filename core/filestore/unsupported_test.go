//go:build !(unix && !aix && (!solaris || illumos))

package filestore_test

import (
	"errors"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
)

func TestUnsupported(t *testing.T) {
	t.Parallel()
	if s, err := filestore.New(t.TempDir(), nil); s != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("New: got %v, error %v", s, err)
	}
}
