package filestore

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/nonstick-go/nonstick/core/session"
)

// A store without sync changes sessions in place, because a new inode for each change costs more than all the rest of it.
// Its files have two slots of the same size, and a change overwrites the one that is not the newest. The second slot is
// there once it has been used. Each begins with a header:
//
//	0       'N'
//	1       2, where a record has its format: to versions that know no slots, a newer one wrote the file
//	2..3    size of each slot, in units of 512 bytes
//	4..11   sequence number, one more with each change
//	12..15  length of the record
//	16..19  CRC-32C of the header before and the record
//	20..    record
//
// Readers take no lock, and see a file at no single moment. Why found.read is right nevertheless:
//
//   - Writers hold the lock of the folder, so record n+1 begins to be written when n is complete, in the other slot, and
//     n+2 overwrites n. A record was current from its completion to that of the next one.
//   - What the checksum accepts is all of one record. So if a slot has record n, n was complete by the end of the read.
//   - If the other slot has an older one, or none yet, n+1 was not complete when that was seen: n was current during the read.
//   - If the other slot is torn, n may be stale: n+1 was there before the read began, n+2 came after n had been seen, and
//     n+3 tore n+1. So the file is read again. If the same slot was torn in the read before, n was current: had n+1 been
//     complete by then, only n+3 could have torn it, which begins when n+2 has overwritten n, and n has been seen since.
//   - When the file gets another name, is removed or replaced, what it held then stays in it; its name led to it when it was
//     opened, so what is read is what it held then or later. No file is ever used for another session.
//
// A writer that dies, or a full disk, leaves a torn slot, which costs readers a second read until the next change, which
// overwrites that slot and not the other.
const (
	slotFormat = 2
	slotHeader = 20
	slotUnit   = 512
	// A longer slot is not written: whoever reads the file reads both.
	slotMost = 16 << 10
)

// slots is what a writer has to know of a file with slots. It is equal to that of a later look if nothing was changed.
type slots struct {
	size   int    // of each; 0 if the file has none
	newest int    // 0 or 1
	seq    uint64 // of the newest
	sum    uint32 // its checksum
}

// slotted reports whether a file has slots.
func slotted(data []byte) bool {
	return len(data) >= slotHeader && data[0] == 'N' && data[1] == slotFormat
}

// findSlots finds the newest record in a file with slots, or nil, and tells which slots hold something that is no record.
func findSlots(data []byte) (s slots, rec []byte, torn [2]bool) {
	s.size = slotUnit * int(binary.BigEndian.Uint16(data[2:]))
	for i := range torn {
		slot := data[min(i*s.size, len(data)):min((i+1)*s.size, len(data))]
		if i > 0 && (len(slot) == 0 || slot[0] == 0) {
			continue // not used yet
		}
		seq, sum, found := parseSlot(slot, s.size)
		torn[i] = found == nil
		if found != nil && (rec == nil || seq > s.seq) {
			s.newest, s.seq, s.sum, rec = i, seq, sum, found
		}
	}
	return s, rec, torn
}

// parseSlot returns the record in a slot, or nil.
func parseSlot(slot []byte, size int) (seq uint64, sum uint32, rec []byte) {
	if !slotted(slot) || slotUnit*int(binary.BigEndian.Uint16(slot[2:])) != size {
		return 0, 0, nil
	}
	n := uint64(binary.BigEndian.Uint32(slot[12:]))
	if n > uint64(len(slot)-slotHeader) {
		return 0, 0, nil
	}
	slot = slot[:slotHeader+n]
	if sum = binary.BigEndian.Uint32(slot[16:]); sum != slotSum(slot) {
		return 0, 0, nil
	}
	return binary.BigEndian.Uint64(slot[4:]), sum, slot[slotHeader:]
}

// newSlot returns a slot with an empty header and rec.
func newSlot(rec *session.Record) []byte {
	return session.AppendRecord(make([]byte, slotHeader, slotHeader+len(rec.Payload)+session.RecordOverhead), rec)
}

// fill fills in the header of a slot that newSlot made.
func fill(slot []byte, size int, seq uint64) {
	slot[0], slot[1] = 'N', slotFormat
	binary.BigEndian.PutUint16(slot[2:], uint16(size/slotUnit))
	binary.BigEndian.PutUint64(slot[4:], seq)
	binary.BigEndian.PutUint32(slot[12:], uint32(len(slot)-slotHeader))
	binary.BigEndian.PutUint32(slot[16:], slotSum(slot))
}

func slotSum(slot []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(slot[:slotHeader-crc32.Size], table), table, slot[slotHeader:])
}

// slotSize is the size of the slots of a new file. It leaves room for a session that grows.
func slotSize(slot []byte) int { return (len(slot)*5/4 + slotUnit - 1) / slotUnit * slotUnit }

// takes reports whether a slot may be written here. One that leaves most of it empty may not: readers would read that too.
func (s slots) takes(slot []byte) bool { return len(slot) <= s.size && s.size <= 4*slotSize(slot) }
