package session

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// Record is what a store keeps of a session. Its payload is opaque to the store. Times have a resolution of one
// millisecond and come from the application's clock.
type Record struct {
	// Version identifies the write that made this record.
	Version Version
	// Created is when the session was stored first.
	Created time.Time
	// Seen is when the session was last written or touched.
	Seen time.Time
	// Expires is the absolute end of the session, whatever its use. Zero means that it has none.
	Expires time.Time
	// TTL is how long the session lives after Seen.
	TTL time.Duration
	// Successor is set on a record that was renewed: the session lives on under that ID, and this record, which has no
	// payload, lasts for a short time. If Expires is zero it only refuses late writes. If not, the renewal was a periodic
	// one (Options.RenewInterval), and requests with the old ID go on with the successor.
	Successor ID
	// Payload is the session's data.
	Payload []byte
}

// Deadline is when the session ends unless it is used before: the earlier of Seen + TTL and Expires. A store keeps the
// record until then and no longer.
func (r *Record) Deadline() time.Time {
	end := r.Seen.Add(r.TTL)
	if !r.Expires.IsZero() && r.Expires.Before(end) {
		return r.Expires
	}
	return end
}

// The encoding of a Record, one for every backend. Offsets are part of the format: a store may compare the version
// without decoding the rest.
//
//	0       'N'
//	1       format, 1; 2 begins a file of package filestore with two records
//	2..17   version
//	18      flags: bit 0, a successor follows the times
//	19..24  created, milliseconds since 1970, big-endian
//	25..    uvarint: seen - created; expires - created + 1, or 0 for none; TTL; all in milliseconds
//	        successor, 32 bytes, if the flag is set
//	        payload
//	-4..-1  CRC-32C of all that is before
const (
	recordMagic   = 'N'
	recordFormat  = 1
	flagSuccessor = 1 << 0

	// VersionOffset is where the encoded record holds its Version.
	VersionOffset = 2

	fixedHeader = 25
	maxMillis   = 1<<48 - 1 // of a time since 1970 and of a duration: 8,900 years
	crcBytes    = 4
	// RecordOverhead is the most bytes that the encoding adds to a payload.
	RecordOverhead = fixedHeader + 3*7 + len(ID{}) + crcBytes
)

// AppendRecord appends the encoded record to dst and returns the extended slice.
func AppendRecord(dst []byte, r *Record) []byte {
	start := len(dst)
	created := millis(r.Created)
	var flags byte
	if !r.Successor.IsZero() {
		flags |= flagSuccessor
	}
	dst = append(dst, recordMagic, recordFormat)
	dst = append(dst, r.Version[:]...)
	dst = append(dst, flags)
	dst = append(dst, byte(created>>40), byte(created>>32), byte(created>>24), byte(created>>16), byte(created>>8), byte(created))
	dst = binary.AppendUvarint(dst, since(created, r.Seen))
	if r.Expires.IsZero() {
		dst = binary.AppendUvarint(dst, 0)
	} else {
		dst = binary.AppendUvarint(dst, since(created, r.Expires)+1)
	}
	dst = binary.AppendUvarint(dst, uint64(min(max(r.TTL.Milliseconds(), 0), maxMillis)))
	if flags&flagSuccessor != 0 {
		dst = append(dst, r.Successor[:]...)
	}
	dst = append(dst, r.Payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crc32.MakeTable(crc32.Castagnoli)))
}

// ParseRecord decodes what AppendRecord made. The payload of the result is a part of data, not a copy. Anything that is
// not a record of a known format is ErrCorrupt; no input makes it panic or allocate more than its error.
func ParseRecord(data []byte) (Record, error) {
	var r Record
	if len(data) < fixedHeader+3+crcBytes {
		return r, fmt.Errorf("%w: record of %d bytes is too short", ErrCorrupt, len(data))
	}
	if data[0] != recordMagic {
		return r, fmt.Errorf("%w: not a session record", ErrCorrupt)
	}
	if data[1] != recordFormat {
		return r, fmt.Errorf("%w: record format %d is unknown to this version of the library", ErrCorrupt, data[1])
	}
	body, sum := data[:len(data)-crcBytes], binary.BigEndian.Uint32(data[len(data)-crcBytes:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return r, fmt.Errorf("%w: checksum mismatch", ErrCorrupt)
	}
	flags := body[18]
	if flags&^flagSuccessor != 0 {
		return r, fmt.Errorf("%w: record flags %#x are unknown to this version of the library", ErrCorrupt, flags)
	}
	rest := body[fixedHeader:]
	var deltas [3]uint64
	for i := range deltas {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > maxMillis+1 {
			return r, fmt.Errorf("%w: record times are malformed", ErrCorrupt)
		}
		deltas[i], rest = v, rest[n:]
	}
	if flags&flagSuccessor != 0 {
		if len(rest) < len(r.Successor) {
			return r, fmt.Errorf("%w: record successor is cut off", ErrCorrupt)
		}
		rest = rest[copy(r.Successor[:], rest):]
	}
	copy(r.Version[:], body[VersionOffset:])
	created := uint64(binary.BigEndian.Uint16(body[19:21]))<<32 | uint64(binary.BigEndian.Uint32(body[21:25]))
	if created+max(deltas[0], deltas[1]) > maxMillis+1 || created+deltas[0] > maxMillis || deltas[2] > maxMillis {
		return Record{}, fmt.Errorf("%w: record times are out of range", ErrCorrupt)
	}
	r.Created = fromMillis(created)
	r.Seen = fromMillis(created + deltas[0])
	if deltas[1] > 0 {
		r.Expires = fromMillis(created + deltas[1] - 1)
	}
	r.TTL = time.Duration(min(deltas[2], uint64(1<<63-1)/uint64(time.Millisecond))) * time.Millisecond
	r.Payload = rest[:len(rest):len(rest)]
	return r, nil
}

func millis(t time.Time) uint64 { return uint64(min(max(t.UnixMilli(), 0), maxMillis)) }

func since(created uint64, t time.Time) uint64 { return max(millis(t), created) - created }

func fromMillis(ms uint64) time.Time { return time.UnixMilli(int64(ms)) }
