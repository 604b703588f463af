package compress

import (
	"encoding/binary"

	"github.com/nonstick-go/nonstick/core/session"
)

// LZF returns the format of LibLZF, which PHP's lzf extension uses. It is written here because no library that is kept up
// has it.
//
// The data is a list of instructions. One byte below 32 says that as many bytes and one more follow as they are. Else its
// upper three bits are the length of a repetition minus 2, and 7 says that a byte to be added follows; its lower five bits
// and the next byte are how far back that begins, minus 1.
func LZF() session.Compressor { return lzf{} }

type lzf struct{}

const (
	lzfLiteral  = 32      // the most bytes of one instruction
	lzfDistance = 1 << 13 // the farthest repetition
	lzfRepeat   = 2 + 7 + 255
	lzfHashBits = 13
)

func (lzf) Tag() byte { return tagLZF }

func (lzf) Compress(dst, src []byte) ([]byte, error) {
	var seen [1 << lzfHashBits]int32 // where three bytes with a hash begin, plus one
	most, start, i := len(dst)+len(src), 0, 0
	for i+3 < len(src) {
		if len(dst) >= most {
			return nil, errIncompressible
		}
		hash := lzfHash(src[i:])
		from := int(seen[hash]) - 1
		seen[hash] = int32(i + 1)
		if from < 0 || i-from > lzfDistance || src[from] != src[i] || src[from+1] != src[i+1] || src[from+2] != src[i+2] {
			i++
			continue
		}
		n := 3
		for n < lzfRepeat && i+n < len(src) && src[from+n] == src[i+n] {
			n++
		}
		dst = appendLiterals(dst, src[start:i])
		back := i - from - 1
		if n-2 < 7 {
			dst = append(dst, byte((n-2)<<5|back>>8), byte(back))
		} else {
			dst = append(dst, byte(7<<5|back>>8), byte(n-2-7), byte(back))
		}
		i += n
		start = i
	}
	return appendLiterals(dst, src[start:]), nil
}

func lzfHash(b []byte) uint32 {
	return (uint32(b[0])<<16 | uint32(binary.BigEndian.Uint16(b[1:]))) * 2654435761 >> (32 - lzfHashBits)
}

func appendLiterals(dst, src []byte) []byte {
	for len(src) > 0 {
		n := min(len(src), lzfLiteral)
		dst = append(append(dst, byte(n-1)), src[:n]...)
		src = src[n:]
	}
	return dst
}

func (lzf) Decompress(dst, src []byte, size int) ([]byte, error) {
	out := room(dst, size)[:0]
	for len(src) > 0 {
		var n, back int
		if n = int(src[0]); n < lzfLiteral {
			n++
			if len(src) < 1+n || len(out)+n > size {
				return nil, errMalformed
			}
			out, src = append(out, src[1:1+n]...), src[1+n:]
			continue
		}
		back, n = n&0x1f<<8, n>>5
		src = src[1:]
		if n == 7 && len(src) > 0 {
			n, src = 7+int(src[0]), src[1:]
		}
		if len(src) == 0 {
			return nil, errMalformed
		}
		from := len(out) - (back | int(src[0])) - 1
		n, src = n+2, src[1:]
		if from < 0 || len(out)+n > size {
			return nil, errMalformed
		}
		for range n { // it may run into itself
			out, from = append(out, out[from]), from+1
		}
	}
	if len(out) != size {
		return nil, errMalformed
	}
	return grown(dst, out), nil
}
