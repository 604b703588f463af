package filestore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nonstick-go/nonstick/core/session"
)

const lockName = "lock"

// folder is one of the 256 folders, open. It stays the same folder whatever becomes of its name.
type folder struct {
	store *Store
	name  string // two hex digits
	gate  chan struct{}
	root  *os.Root

	dir   *os.File // the same, to sync it, and as a descriptor for what os.Root does with more system calls
	dirFD int
	info  fs.FileInfo // to see whether name still leads here

	lockFile *os.File
	lockFD   uintptr
	lockInfo fs.FileInfo // to see whether name/lock still leads here
}

// folder returns the folder of the sessions whose ID begins with b. If it does not exist, it is created on demand, else
// the error is ErrNotFound.
func (s *Store) folder(b byte, create bool) (*folder, error) {
	sh := &s.shards[b]
	if f := sh.folder.Load(); f != nil {
		return f, nil
	}
	f := &folder{store: s, name: hex.EncodeToString([]byte{b}), gate: sh.gate}
	if err := f.open(create); err != nil {
		return nil, err
	}
	if !sh.folder.CompareAndSwap(nil, f) {
		f.close() // another goroutine was faster
		return s.folder(b, create)
	}
	return f, nil
}

// forget makes the next call open the folder anew. Calls that still use it end soon, then its finalizers close it.
func (s *Store) forget(b byte, f *folder) { s.shards[b].folder.CompareAndSwap(f, nil) }

func (f *folder) open(create bool) error {
	base := f.store.base
	if create {
		if err := base.Mkdir(f.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return unavailable("a folder cannot be created", err)
		}
	}
	named, err := base.Lstat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.store.absent()
	case err != nil:
		return unavailable("a folder cannot be examined", err)
	case !named.IsDir():
		return fmt.Errorf("%w: something that is not a folder has the name of one", session.ErrUnavailable)
	}
	if f.root, err = base.OpenRoot(f.name); err != nil {
		return unavailable("a folder cannot be opened", err)
	}
	if err := f.verify(named); err != nil {
		f.close()
		return err
	}
	return nil
}

// verify checks that the folder just opened is the one that was named, and makes it ready for use.
func (f *folder) verify(named fs.FileInfo) error {
	var err error
	if f.dir, err = f.root.OpenFile(".", os.O_RDONLY|nonblock, 0); err != nil {
		return unavailable("a folder cannot be opened", err)
	}
	f.dirFD = int(f.dir.Fd())
	if f.info, err = f.dir.Stat(); err != nil {
		return unavailable("a folder cannot be examined", err)
	}
	if !os.SameFile(named, f.info) {
		return errStale
	}
	if err := f.openLock(); err != nil {
		return unavailable("the lock of a folder cannot be opened", err)
	}
	if f.store.opts.NoSync {
		return nil
	}
	return syncDir(f.store.base) // whoever created the folder may have died before this
}

// openLock opens the lock file, or creates it. It is never removed: whoever had it open would hold a lock that others
// do not see.
func (f *folder) openLock() (err error) {
	f.lockFile, err = f.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL|nonblock, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if named, err := f.root.Lstat(lockName); err == nil && !named.Mode().IsRegular() {
			return errors.New("not a regular file")
		}
		f.lockFile, err = f.root.OpenFile(lockName, os.O_RDWR|nonblock, 0)
	}
	if err != nil {
		return err
	}
	f.lockFD = f.lockFile.Fd()
	f.lockInfo, err = f.lockFile.Stat()
	return err
}

// live reports whether the name of the folder still leads to it, and the name of the lock file to the one that is open.
func (f *folder) live() bool {
	named, err := f.store.base.Lstat(f.name)
	if err != nil || !os.SameFile(named, f.info) {
		return false
	}
	lock, err := f.root.Lstat(lockName)
	return err == nil && os.SameFile(lock, f.lockInfo)
}

func (f *folder) close() {
	if f.root != nil {
		_ = f.root.Close()
	}
	if f.dir != nil {
		_ = f.dir.Close()
	}
	if f.lockFile != nil {
		_ = f.lockFile.Close()
	}
}

// absent is ErrNotFound, unless that is so because the whole store has been deleted.
func (s *Store) absent() error {
	info, err := s.base.Stat(".")
	if err != nil {
		return unavailable("the session folder cannot be examined", err)
	}
	if unlinked(info) {
		return fmt.Errorf("%w: the session folder was deleted", session.ErrUnavailable)
	}
	return session.ErrNotFound
}
