//go:build !(unix && !aix && (!solaris || illumos))

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

// New asks supported first, so nothing else in this file is ever called.

const nonblock = 0

type inode struct{}

func supported() error {
	return fmt.Errorf("filestore: %w on %s: it needs flock(2)", errors.ErrUnsupported, runtime.GOOS)
}

func tryFlock(uintptr) (bool, error) { return false, errors.ErrUnsupported }
func funlock(uintptr)                {}
func statOf(fs.FileInfo) stat        { return stat{} }
func mine(fs.FileInfo) bool          { return false }
func unlinked(fs.FileInfo) bool      { return false }
