package compress

import (
	"github.com/klauspost/compress/snappy"

	"github.com/nonstick-go/nonstick/core/session"
)

// Snappy returns the block format of Snappy.
func Snappy() session.Compressor { return snappyBlock{} }

type snappyBlock struct{}

func (snappyBlock) Tag() byte { return tagSnappy }

func (snappyBlock) Compress(dst, src []byte) ([]byte, error) {
	return append(dst, snappy.Encode(nil, src)...), nil
}

func (snappyBlock) Decompress(dst, src []byte, size int) ([]byte, error) {
	if n, err := snappy.DecodedLen(src); err != nil || n != size {
		return nil, errMalformed
	}
	out, err := snappy.Decode(room(dst, size), src)
	if err != nil || len(out) != size {
		return nil, errMalformed
	}
	return grown(dst, out), nil
}
