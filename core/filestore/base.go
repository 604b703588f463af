package filestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nonstick-go/nonstick/core/session"
)

// openBase opens the folder of a store, creates it if need be, and makes sure that nobody else can look into it.
func openBase(dir string, sync bool) (*os.Root, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil && sync:
		if err := syncPath(filepath.Dir(dir)); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist): // a typo, or a disk that is not mounted: do not build a tree beside it
		return nil, unavailable("the session folder cannot be created, its parent folder is missing", err)
	case err != nil && !errors.Is(err, fs.ErrExist):
		return nil, unavailable("the session folder cannot be created", err)
	}
	base, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unavailable("the session folder cannot be opened", err)
	}
	if err := claim(base); err != nil {
		return nil, errors.Join(err, base.Close())
	}
	return base, nil
}

// claim makes sure that the folder is ours alone.
func claim(base *os.Root) error {
	d, err := base.Open(".")
	if err != nil {
		return unavailable("the session folder cannot be read", err)
	}
	defer d.Close()
	info, err := d.Stat()
	if err != nil {
		return unavailable("the session folder cannot be examined", err)
	}
	if !mine(info) {
		return fmt.Errorf("%w: the session folder belongs to another user than this process", session.ErrUnavailable)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if info.Mode()&fs.ModeSticky != 0 || !empty(d) && !isDir(base, quarantine) {
			return fmt.Errorf("%w: the session folder has mode %04o and holds other files: "+
				"name a folder of its own, or set its mode to 0700", session.ErrUnavailable, info.Mode().Perm())
		}
		if err := d.Chmod(0o700); err != nil {
			return unavailable("the session folder is open to others and cannot be closed", err)
		}
	}
	if err := base.Mkdir(quarantine, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return unavailable("the session folder is not writable", err)
	}
	if !isDir(base, quarantine) {
		return fmt.Errorf("%w: in the session folder, quarantine is not a folder", session.ErrUnavailable)
	}
	return nil
}

func empty(d *os.File) bool {
	_, err := d.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// isDir reports whether name is a folder itself, not a link to one.
func isDir(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.IsDir()
}

// syncDir makes the names in a folder durable.
func syncDir(root *os.Root) error {
	d, err := root.OpenFile(".", os.O_RDONLY|nonblock, 0)
	return syncClose(d, err)
}

func syncPath(dir string) error {
	d, err := os.Open(dir)
	return syncClose(d, err)
}

func syncClose(d *os.File, err error) error {
	if err != nil {
		return unavailable("a folder cannot be opened", err)
	}
	defer d.Close()
	return syncOpen(d)
}

// syncOpen is syncDir for a folder that is open.
func syncOpen(d *os.File) error {
	if err := d.Sync(); err != nil {
		return unavailable("a folder cannot be synced", err)
	}
	return nil
}
