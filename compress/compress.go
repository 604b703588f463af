package compress

import (
	"errors"

	"github.com/nonstick-go/nonstick/core/session"
)

// The tags of the methods in stored sessions. 1 is gzip.
const (
	tagZstd   = 2
	tagLZ4    = 3
	tagSnappy = 4
	tagLZF    = 5
)

// All returns one of each method of this package, for session.Compression.Reads.
func All() []session.Compressor {
	return []session.Compressor{Zstd(), LZ4(), Snappy(), LZF()}
}

var (
	errIncompressible = errors.New("compress: it does not get smaller")
	errMalformed      = errors.New("compress: the compressed data is malformed, or has another size")
)

// room returns the part of dst behind its end that a result of a size takes.
func room(dst []byte, size int) []byte {
	if cap(dst)-len(dst) < size {
		dst = append(make([]byte, 0, len(dst)+size), dst...)
	}
	return dst[len(dst) : len(dst)+size]
}

// grown is dst with what is behind its end in the same array, or a copy of both.
func grown(dst, more []byte) []byte {
	if len(more) > 0 && cap(dst)-len(dst) >= len(more) && &dst[:len(dst)+1][len(dst)] == &more[0] {
		return dst[:len(dst)+len(more)]
	}
	return append(dst, more...)
}
