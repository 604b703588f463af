package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// maxAhead is how far the mtime of a file may be ahead of the clock to count: more than a clock is off, and less than
// what a broken one leaves behind.
const maxAhead = time.Hour

// found is the file of a session and the record in it. It is open, so that no other file can get its inode.
type found struct {
	file  file
	inode inode
	rec   session.Record
	own   time.Time // Seen as the record says it, without the mtime
}

func (was *found) close() {
	if was != nil {
		_ = was.file.Close()
	}
}

// record returns the record, or an empty one if nothing was found.
func (was *found) record() *session.Record {
	if was == nil {
		return &session.Record{}
	}
	return &was.rec
}

// session returns the record of a session.
func (f *folder) session(ctx context.Context, name string) (session.Record, error) {
	was, err := f.find(ctx, name)
	if err != nil {
		return session.Record{}, err
	}
	was.close()
	return was.rec, nil
}

// find is session with the file, which is to be closed. Garbage in its place is moved to the quarantine: without the lock
// it may have been replaced since it was read, so it is read again with it. If the lock cannot be had, it stays.
func (f *folder) find(ctx context.Context, name string) (*found, error) {
	was, err := f.findAlive(name)
	if !isGarbage(err) || f.lock(ctx) != nil {
		return was, err
	}
	defer f.unlock()
	if was, err = f.findAlive(name); isGarbage(err) {
		f.setAside(name)
	}
	return was, err
}

// findAlive is fetch for sessions: an expired one is ErrNotFound.
func (f *folder) findAlive(name string) (*found, error) {
	was, err := f.fetch(name)
	if err == nil && expired(&was.rec) {
		was.close()
		return nil, session.ErrNotFound
	}
	return was, err
}

// alive is load for sessions: an expired one is ErrNotFound.
func (f *folder) alive(name string) (session.Record, error) {
	rec, err := f.load(name)
	if err == nil && expired(&rec) {
		return session.Record{}, session.ErrNotFound
	}
	return rec, err
}

// again is alive for whoever has read the session before, if was is not nil. A file with a name is not changed, but for its
// mtime, so that the one that is still there need not be read twice.
func (f *folder) again(name string, was *found) (session.Record, error) {
	if was == nil {
		return f.alive(name)
	}
	info, err := f.root.Lstat(name)
	if err != nil || statOf(info).inode != was.inode {
		return f.alive(name)
	}
	rec := was.rec
	rec.Seen = seenAt(was.own, info.ModTime())
	if expired(&rec) {
		return session.Record{}, session.ErrNotFound
	}
	return rec, nil
}

func expired(rec *session.Record) bool { return !time.Now().Before(rec.Deadline()) }

// load reads the record in a file, expired or not. The error is ErrNotFound, ErrUnavailable or a *corrupt.
func (f *folder) load(name string) (session.Record, error) {
	was, err := f.fetch(name)
	if err != nil {
		return session.Record{}, err
	}
	was.close()
	return was.rec, nil
}

// fetch is load with the file, which is to be closed.
func (f *folder) fetch(name string) (*found, error) {
	file, st, err := f.openMost(name, f.store.opts.MaxBytes)
	if err != nil {
		return nil, err
	}
	was := &found{file: file, inode: st.inode}
	data, err := contents(file, st)
	if err == nil {
		was.rec, err = parse(data)
	}
	if err != nil {
		was.close()
		return nil, err
	}
	was.own = was.rec.Seen
	was.rec.Seen = seenAt(was.own, st.mtime)
	return was, nil
}

// parse decodes a record. The error is a *corrupt.
func parse(data []byte) (session.Record, error) {
	rec, err := session.ParseRecord(data)
	if err != nil {
		return session.Record{}, &corrupt{err, !foreign(data)}
	}
	return rec, nil
}

// seenAt is when a session was seen last by its record and by the mtime of its file.
func seenAt(own, mtime time.Time) time.Time {
	if mtime.After(own) && mtime.Before(time.Now().Add(maxAhead)) {
		return mtime.Truncate(time.Millisecond)
	}
	return own
}

// read returns the contents of a file. It takes no lock: a file is complete when it gets its name, and is not changed
// after that.
func (f *folder) read(name string, most int) ([]byte, error) {
	file, st, err := f.openMost(name, most)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return contents(file, st)
}

// stat is what there is to know of a file.
type stat struct {
	regular bool
	size    int64
	mtime   time.Time
	inode   inode
}

// errIrregular says of a name that no file of this package has it.
var errIrregular = &corrupt{fmt.Errorf("%w: not a regular file", session.ErrCorrupt), true}

// openMost opens a file of at most most bytes and the overhead of a record.
func (f *folder) openMost(name string, most int) (file, stat, error) {
	o, err := f.openFile(name)
	if err != nil {
		return o, stat{}, opening(err)
	}
	st, err := o.stat()
	switch {
	case err != nil:
	case !st.regular:
		err = errIrregular
	case st.size-int64(session.RecordOverhead) > int64(most): // perhaps of a process with a higher limit
		err = &corrupt{fmt.Errorf("%w: a file of %d bytes is over the limit", session.ErrCorrupt, st.size), false}
	}
	if err != nil {
		_ = o.Close()
		return o, stat{}, opening(err)
	}
	return o, st, nil
}

func contents(o file, st stat) ([]byte, error) {
	data := make([]byte, st.size)
	n, err := io.ReadFull(o, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // cut off just now: corrupt
		return nil, opening(err)
	}
	return data[:n], nil
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
