package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// maxAhead is how far the mtime of a file may be ahead of the clock to count: more than a clock is off, and less than
// what a broken one leaves behind.
const maxAhead = time.Hour

// session returns the record of a session. Garbage in its place is moved to the quarantine: without the lock it may
// have been replaced since it was read, so it is read again with it. If the lock cannot be had, it stays.
func (f *folder) session(ctx context.Context, name string) (session.Record, error) {
	rec, err := f.alive(name)
	if !isGarbage(err) || f.lock(ctx) != nil {
		return rec, err
	}
	defer f.unlock()
	if rec, err = f.alive(name); isGarbage(err) {
		f.setAside(name)
	}
	return rec, err
}

// alive is load for sessions: an expired one is ErrNotFound.
func (f *folder) alive(name string) (session.Record, error) {
	rec, err := f.load(name)
	if err == nil && expired(&rec) {
		return session.Record{}, session.ErrNotFound
	}
	return rec, err
}

func expired(rec *session.Record) bool { return !time.Now().Before(rec.Deadline()) }

// load reads the record in a file, expired or not. The error is ErrNotFound, ErrUnavailable or a *corrupt.
func (f *folder) load(name string) (session.Record, error) {
	data, seen, err := f.read(name, f.store.opts.MaxBytes)
	if err != nil {
		return session.Record{}, err
	}
	rec, err := session.ParseRecord(data)
	if err != nil {
		return session.Record{}, &corrupt{err, !foreign(data)}
	}
	if seen.After(rec.Seen) && seen.Before(time.Now().Add(maxAhead)) {
		rec.Seen = seen.Truncate(time.Millisecond)
	}
	return rec, nil
}

// read returns the contents and the mtime of a file. It takes no lock: a file is complete when it gets its name, and is
// not changed after that.
func (f *folder) read(name string, most int) (data []byte, mtime time.Time, err error) {
	info, err := f.root.Lstat(name) // os.Root would follow a link to another session
	if err == nil {
		err = readable(info, most)
	}
	if err != nil {
		return nil, mtime, opening(err)
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, mtime, opening(err)
	}
	defer file.Close()
	info, err = file.Stat() // this may be a newer file than the one above
	if err == nil {
		err = readable(info, most)
	}
	if err != nil {
		return nil, mtime, opening(err)
	}
	data = make([]byte, info.Size())
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // cut off just now: corrupt
		return nil, mtime, opening(err)
	}
	return data[:n], info.ModTime(), nil
}

// readable returns a *corrupt if the file is none that this package wrote.
func readable(info fs.FileInfo, most int) error {
	if !info.Mode().IsRegular() {
		return &corrupt{fmt.Errorf("%w: not a regular file", session.ErrCorrupt), true}
	}
	if info.Size()-int64(session.RecordOverhead) > int64(most) { // perhaps of a process with a higher limit
		return &corrupt{fmt.Errorf("%w: a file of %d bytes is over the limit", session.ErrCorrupt, info.Size()), false}
	}
	return nil
}

// opening turns an error of package os into one of the contract.
func opening(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return session.ErrNotFound
	}
	if errors.Is(err, session.ErrCorrupt) {
		return err
	}
	return unavailable("a session cannot be read", err)
}

// foreign reports whether what ParseRecord refused seems to come from a newer version of this library: its format is
// later, or its checksum is right.
func foreign(data []byte) bool {
	ours := session.AppendRecord(nil, &session.Record{})
	if len(data) < len(ours) || data[0] != ours[0] {
		return false
	}
	body, sum := data[:len(data)-crc32.Size], binary.BigEndian.Uint32(data[len(data)-crc32.Size:])
	return data[1] > ours[1] || crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) == sum
}
