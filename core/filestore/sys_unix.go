//go:build unix && !aix && (!solaris || illumos)

package filestore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// nonblock keeps open(2) from waiting for a writer if the name turns out to be a FIFO. It means nothing to a regular
// file, and spares package os four calls of fcntl(2).
const nonblock = syscall.O_NONBLOCK

func supported() error { return nil }

// tryFlock takes the lock of an open file unless somebody else has it.
func tryFlock(fd uintptr) (ok bool, err error) {
	err = flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// funlock gives the lock back. It does so even if a child that is being started still shares the descriptor, which
// closing it would not.
func funlock(fd uintptr) { _ = flock(fd, syscall.LOCK_UN) } // cannot fail on a valid descriptor

func flock(fd uintptr, how int) error {
	for {
		if err := syscall.Flock(int(fd), how); err != syscall.EINTR {
			return err
		}
	}
}

// inode says which file it is, as long as that one is open or has a name.
type inode struct{ dev, ino uint64 }

func inodeOf(st *syscall.Stat_t) inode {
	return inode{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert // other systems have other types
}

func statOf(info fs.FileInfo) stat {
	s := stat{regular: info.Mode().IsRegular(), size: info.Size(), mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = inodeOf(st)
	}
	return s
}

// mine reports whether the file belongs to the user that this process acts as.
func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// unlinked reports whether no name leads to the file any more.
func unlinked(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}
