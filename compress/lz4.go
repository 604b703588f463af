package compress

import (
	"github.com/pierrec/lz4/v4"

	"github.com/nonstick-go/nonstick/core/session"
)

// LZ4 returns the block format of LZ4.
func LZ4() session.Compressor { return lz4Block{} }

type lz4Block struct{}

func (lz4Block) Tag() byte { return tagLZ4 }

func (lz4Block) Compress(dst, src []byte) ([]byte, error) {
	n, err := lz4.CompressBlock(src, dst[len(dst):cap(dst)], nil)
	if err != nil || n == 0 { // there is no room for it
		return nil, errIncompressible
	}
	return dst[:len(dst)+n], nil
}

func (lz4Block) Decompress(dst, src []byte, size int) ([]byte, error) {
	out := room(dst, size)
	if size == 0 { // the library would look at what is not there
		return nil, errMalformed
	}
	if n, err := lz4.UncompressBlock(src, out); err != nil || n != size {
		return nil, errMalformed
	}
	return grown(dst, out), nil
}
