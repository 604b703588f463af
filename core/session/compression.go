package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Compression makes large sessions smaller in the store. The zero value is none.
//
// What is stored says how it was compressed, so Method can be changed at any time, and sessions that are stored otherwise
// stay readable, provided that every node knows the methods of all: gzip is always known. A payload that does not get
// smaller, or cannot be compressed, is stored as it is.
//
// Compression comes before encryption, so the length of a record depends on what is in it; who can both put text into a
// session and watch the lengths in the store can guess at secrets beside it (as CRIME and BREACH do over TLS), so do without
// compression if those are two you fear.
type Compression struct {
	// Method compresses what is written. Nil: nothing is compressed.
	Method Compressor
	// Threshold is from how many bytes of data on a session is compressed. Default 2,048; negative: always.
	Threshold int
	// Reads are other methods that stored sessions may have, such as those of package compress, for the time of a change.
	Reads []Compressor
}

// Compressor is a method of compression. Implementations are safe for concurrent use.
type Compressor interface {
	// Tag names the method in what is stored, for ever. 1 to 127 are those of Nonstick, 128 to 255 are free.
	Tag() byte
	// Compress appends src, compressed, to dst. It may give up with an error if the result exceeds the capacity of dst.
	Compress(dst, src []byte) ([]byte, error)
	// Decompress appends to dst what src was made of, which has exactly size bytes, for which dst has room. Anything else is
	// an error. src may be anything: it must not make the method panic, nor allocate more than about size bytes.
	Decompress(dst, src []byte, size int) ([]byte, error)
}

const (
	defaultThreshold = 2048
	// mostExpanded and mostRatio bound what reading a compressed payload costs (ASVS 15.2.2). What exceeds them is not
	// compressed at all.
	mostExpanded = 16 << 20
	mostRatio    = 100
)

func (o *Compression) check() error {
	methods := o.Reads
	if o.Method != nil {
		methods = append([]Compressor{o.Method}, methods...)
	}
	sample := bytes.Repeat([]byte("nonstick "), 64)
	for _, c := range methods {
		if c == nil || c.Tag() == 0 {
			return errors.New("Compression: a method is nil, or has the tag 0")
		}
		packed, err := c.Compress(make([]byte, 0, len(sample)), sample)
		if err == nil {
			packed, err = c.Decompress(make([]byte, 0, len(sample)), packed, len(sample))
		}
		if err == nil && !bytes.Equal(packed, sample) {
			err = errors.New("it does not give back what it was given")
		}
		if err != nil {
			return fmt.Errorf("Compression: the method with the tag %d does not work: %w", c.Tag(), err)
		}
	}
	return nil
}

// compression is Compression with its methods by tag.
type compression struct {
	Compression
	methods map[byte]Compressor
}

func newCompression(o Compression) compression {
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	gzip := new(Gzip)
	c := compression{Compression: o, methods: map[byte]Compressor{gzip.Tag(): gzip}}
	for _, m := range o.Reads {
		c.methods[m.Tag()] = m
	}
	if o.Method != nil {
		c.methods[o.Method.Tag()] = o.Method
	}
	return c
}

// wants reports whether a payload is to be compressed.
func (c *compression) wants(payload []byte) bool {
	return c.Method != nil && len(payload) >= c.Threshold && len(payload) > 0 && len(payload) <= mostExpanded
}

// compress returns the compressed form of a payload, or the payload if that is not smaller.
func (c *compression) compress(payload []byte) []byte {
	packed := make([]byte, 0, len(payload))
	packed = append(packed, 0, formCompressed, c.Method.Tag())
	packed = binary.AppendUvarint(packed, uint64(len(payload)))
	header := len(packed)
	if header >= len(payload) {
		return payload
	}
	packed, err := c.Method.Compress(packed, payload)
	if err != nil || len(packed) >= len(payload) || len(payload) > mostRatio*(len(packed)-header) {
		return payload
	}
	return packed
}

// expand returns the payload of a compressed form.
func (c *compression) expand(packed []byte) ([]byte, error) {
	if len(packed) < 3 {
		return nil, fmt.Errorf("%w: its compressed form is cut off", ErrCorrupt)
	}
	method, known := c.methods[packed[2]]
	if !known {
		return nil, fmt.Errorf("%w: it is compressed with method %d, which is not in Compression.Reads", ErrCorrupt, packed[2])
	}
	size, n := binary.Uvarint(packed[3:])
	if n <= 0 || size == 0 || size > mostExpanded || size > mostRatio*uint64(len(packed)-3-n) {
		return nil, fmt.Errorf("%w: its compressed form is malformed, or would become too large", ErrCorrupt)
	}
	payload, err := method.Decompress(make([]byte, 0, size), packed[3+n:], int(size))
	if err != nil || uint64(len(payload)) != size {
		return nil, fmt.Errorf("%w: it cannot be decompressed", ErrCorrupt) // the method's text may quote it
	}
	return payload, nil
}
