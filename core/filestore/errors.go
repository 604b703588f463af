package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nonstick-go/nonstick/core/session"
)

// errStale says that a folder is no longer the one that its name leads to: somebody deleted or replaced it.
var errStale = errors.New("folder was replaced")

// unavailable makes ErrUnavailable of an error of package os. Of those that hold a path only the cause stays: paths hold
// session IDs, and errors may not.
func unavailable(what string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	if what == "" {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %s: %w", session.ErrUnavailable, what, err)
}

// corrupt is ErrCorrupt with what becomes of the file.
type corrupt struct {
	err     error // wraps session.ErrCorrupt
	garbage bool  // no version of this library can read it: it is to be moved to the quarantine
}

func (c *corrupt) Error() string { return c.err.Error() }
func (c *corrupt) Unwrap() error { return c.err }

// isGarbage reports whether err says that the file belongs in the quarantine.
func isGarbage(err error) bool {
	c, ok := errors.AsType[*corrupt](err)
	return ok && c.garbage
}
