//go:build !linux

package filestore

import "os"

// file is an open file. Whoever has one closes it.
type file struct{ *os.File }

// openFile opens a file for what flag says. What is no regular file is errIrregular or shows it in stat.
func (f *folder) openFile(name string, flag int) (file, error) {
	named, err := f.root.Lstat(name) // os.Root would follow a link to another session
	if err == nil && !named.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		return file{}, err
	}
	o, err := f.root.OpenFile(name, flag|nonblock, 0)
	return file{o}, err
}

// createFile makes a new file.
func (f *folder) createFile(name string) (file, error) {
	o, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|nonblock, 0o600)
	return file{o}, err
}

// rename gives a file another name, and removes what has it.
func (f *folder) rename(from, to string) error { return f.root.Rename(from, to) }

func (o file) stat() (stat, error) {
	info, err := o.Stat()
	if err != nil {
		return stat{}, err
	}
	return statOf(info), nil
}
