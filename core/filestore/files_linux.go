package filestore

import (
	"errors"
	"io"
	"io/fs"
	"runtime"
	"syscall"
	"time"
)

// file is an open file, a bare descriptor: it is open for microseconds, and package os would ask the poller whether it
// can wait for it, set a finalizer, and look first whether a name is a link. Whoever has one closes it.
type file struct{ fd int }

// openFile opens a file for what flag says. What is no regular file is errIrregular or shows it in stat.
func (f *folder) openFile(name string, flag int) (file, error) {
	file, err := f.openat(name, flag, 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if named, failed := f.root.Lstat(name); failed == nil && !named.Mode().IsRegular() {
		return file, errIrregular
	}
	return file, err
}

// createFile makes a new file.
func (f *folder) createFile(name string) (file, error) {
	return f.openat(name, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL, 0o600)
}

// openat opens a file by its name, which has no slash, and follows no link.
func (f *folder) openat(name string, flag int, perm uint32) (o file, err error) {
	err = retried(func() error {
		o.fd, err = syscall.Openat(f.dirFD, name, flag|syscall.O_NOFOLLOW|syscall.O_CLOEXEC|nonblock, perm)
		return err
	})
	runtime.KeepAlive(f) // else its finalizers may close the descriptor
	return o, err
}

// rename gives a file another name, and removes what has it.
func (f *folder) rename(from, to string) error {
	err := retried(func() error { return syscall.Renameat(f.dirFD, from, f.dirFD, to) })
	runtime.KeepAlive(f)
	return err
}

func (o file) stat() (stat, error) {
	var st syscall.Stat_t
	err := retried(func() error { return syscall.Fstat(o.fd, &st) })
	return stat{
		regular: st.Mode&syscall.S_IFMT == syscall.S_IFREG,
		size:    st.Size,
		mtime:   time.Unix(st.Mtim.Unix()),
		inode:   inodeOf(&st),
	}, err
}

// ReadAt implements io.ReaderAt.
func (o file) ReadAt(p []byte, at int64) (read int, err error) {
	for read < len(p) && err == nil {
		n := 0
		err = retried(func() error {
			n, err = syscall.Pread(o.fd, p[read:], at+int64(read))
			return err
		})
		if n == 0 && err == nil {
			err = io.EOF
		}
		read += max(n, 0)
	}
	return read, err
}

// WriteAt implements io.WriterAt.
func (o file) WriteAt(p []byte, at int64) (written int, err error) {
	for written < len(p) && err == nil {
		n := 0
		err = retried(func() error {
			n, err = syscall.Pwrite(o.fd, p[written:], at+int64(written))
			return err
		})
		written += max(n, 0)
	}
	return written, err
}

// Sync makes the contents durable.
func (o file) Sync() error { return retried(func() error { return syscall.Fsync(o.fd) }) }

// Close implements io.Closer. It is not repeated: the descriptor has gone even if a signal came, and may be another file's.
func (o file) Close() error { return syscall.Close(o.fd) }

// retried repeats a call that a signal interrupted.
func retried(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
