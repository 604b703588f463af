package filestore

import (
	"bytes"
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

// found is the file of a session and the record in it. It is open, so that no other file can get its inode.
type found struct {
	file  file
	inode inode
	rec   session.Record
	own   time.Time // Seen as the record says it, without the mtime
	slots slots
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
	was, err := f.find(ctx, name, os.O_RDONLY)
	if err != nil {
		return session.Record{}, err
	}
	was.close()
	return was.rec, nil
}

// find is session with the file, opened for what flag says, which is to be closed. Garbage in its place is moved to the
// quarantine: without the lock it may have been replaced or changed since, so it is read again with it.
func (f *folder) find(ctx context.Context, name string, flag int) (*found, error) {
	was, err := f.findAlive(name, flag)
	if !isGarbage(err) {
		return was, err
	}
	if err := f.lock(ctx); err != nil {
		return nil, err
	}
	defer f.unlock()
	if was, err = f.findAlive(name, flag); isGarbage(err) {
		f.setAside(name)
	}
	return was, err
}

// findAlive is fetch for sessions: an expired one is ErrNotFound.
func (f *folder) findAlive(name string, flag int) (*found, error) {
	was, err := f.fetch(name, flag)
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

// again is alive for whoever has read the session before, if was is not nil, and tells whether it is in the same file still.
// A file without slots is not changed, but for its mtime, so that it need not be read twice.
func (f *folder) again(name string, was *found) (rec session.Record, same bool, err error) {
	if was == nil {
		rec, err = f.alive(name)
		return rec, false, err
	}
	info, err := f.root.Lstat(name)
	if err != nil || statOf(info).inode != was.inode {
		rec, err = f.alive(name)
		return rec, false, err
	}
	if was.slots.size == 0 {
		was.rec.Seen = seenAt(was.own, info.ModTime())
	} else if err := f.store.examine(was, statOf(info)); err != nil {
		return session.Record{}, true, err
	}
	if expired(&was.rec) {
		return session.Record{}, true, session.ErrNotFound
	}
	return was.rec, true, nil
}

func expired(rec *session.Record) bool { return !time.Now().Before(rec.Deadline()) }

// load reads the record in a file, expired or not. The error is ErrNotFound, ErrUnavailable or a *corrupt.
func (f *folder) load(name string) (session.Record, error) {
	was, err := f.fetch(name, os.O_RDONLY)
	if err != nil {
		return session.Record{}, err
	}
	was.close()
	return was.rec, nil
}

// fetch is load with the file, opened for what flag says, which is to be closed.
func (f *folder) fetch(name string, flag int) (*found, error) {
	file, st, err := f.openMost(name, max(f.store.opts.MaxBytes, 2*slotMost), flag)
	if err != nil {
		return nil, err
	}
	was := &found{file: file, inode: st.inode}
	if err := f.store.examine(was, st); err != nil {
		was.close()
		return nil, err
	}
	return was, nil
}

// examine reads the record of a file that is open. The error is ErrUnavailable or a *corrupt.
func (s *Store) examine(was *found, st stat) (err error) {
	buffer := s.buffers.Get().(*[2 * slotMost]byte)
	defer s.buffers.Put(buffer)
	var before [2]bool // the slots that were torn
	for range 3 {
		data, err := contents(was.file, st, buffer[:])
		if err != nil {
			return err
		}
		if !slotted(data) {
			return s.take(was, st, slots{}, data, len(data) <= len(buffer))
		}
		found, rec, torn := findSlots(data)
		if other := 1 - found.newest; rec != nil && (!torn[other] || before[other]) {
			return s.take(was, st, found, rec, len(data) <= len(buffer))
		}
		before = torn
		if st, err = was.file.stat(); err != nil {
			return opening(err)
		}
	}
	return &corrupt{fmt.Errorf("%w: no slot holds a record", session.ErrCorrupt), true}
}

// take decodes the record that was found in a file. If lent is set, data is somebody else's.
func (s *Store) take(was *found, st stat, in slots, data []byte, lent bool) error {
	if in.size == 0 || in != was.slots {
		rec, err := session.ParseRecord(data)
		if err != nil {
			return &corrupt{err, in.size == 0 && !foreign(data)} // what is whole in a slot is no garbage
		}
		if len(rec.Payload) > s.opts.MaxBytes { // perhaps of a process with a higher limit
			return &corrupt{fmt.Errorf("%w: a payload of %d bytes is over the limit", session.ErrCorrupt, len(rec.Payload)), false}
		}
		if lent {
			rec.Payload = bytes.Clone(rec.Payload)
		}
		was.rec, was.own, was.slots = rec, rec.Seen, in
	}
	was.rec.Seen = seenAt(was.own, st.mtime)
	return nil
}

// seenAt is when a session was seen last by its record and by the mtime of its file.
func seenAt(own, mtime time.Time) time.Time {
	if mtime.After(own) && mtime.Before(time.Now().Add(maxAhead)) {
		return mtime.Truncate(time.Millisecond)
	}
	return own
}

// read returns the contents of a file that is complete when it gets its name, and is not changed after that, as those of
// sessions may be. It takes no lock.
func (f *folder) read(name string, most int) ([]byte, error) {
	file, st, err := f.openMost(name, most, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return contents(file, st, nil)
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

// openMost opens a file of at most most bytes and the overhead of a record for what flag says.
func (f *folder) openMost(name string, most, flag int) (file, stat, error) {
	o, err := f.openFile(name, flag)
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

// contents reads a file into the buffer if that is large enough.
func contents(o file, st stat, buffer []byte) ([]byte, error) {
	data := buffer
	if st.size > int64(len(buffer)) {
		data = make([]byte, st.size)
	}
	n, err := o.ReadAt(data[:st.size], 0)
	if err != nil && !errors.Is(err, io.EOF) { // cut off just now: corrupt
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

// foreign reports whether a file without slots that ParseRecord refused seems to come from a newer version of this library:
// its format is later, or its checksum is right.
func foreign(data []byte) bool {
	ours := session.AppendRecord(nil, &session.Record{})
	if len(data) < len(ours) || data[0] != ours[0] {
		return false
	}
	body, sum := data[:len(data)-crc32.Size], binary.BigEndian.Uint32(data[len(data)-crc32.Size:])
	return data[1] > ours[1] || crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) == sum
}
