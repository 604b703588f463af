package compress

import (
	"github.com/klauspost/compress/zstd"

	"github.com/nonstick-go/nonstick/core/session"
)

// Zstd returns Zstandard (RFC 8878) at its fastest level.
func Zstd() session.Compressor {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window),
		zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true), // so that it always says how long it is
		zstd.WithEncoderCRC(false)) // the record has a checksum of its own
	if err != nil {
		panic(err) // these options fit
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err)
	}
	return &zstandard{encoder, decoder}
}

// window is how far back a repetition may lie; the encoder's tables grow with it.
const window = 1 << 20

type zstandard struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func (*zstandard) Tag() byte { return tagZstd }

func (z *zstandard) Compress(dst, src []byte) ([]byte, error) {
	return z.encoder.EncodeAll(src, dst), nil
}

func (z *zstandard) Decompress(dst, src []byte, size int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil || h.Skippable || !h.HasFCS || h.FrameContentSize != uint64(size) {
		return nil, errMalformed
	}
	out := room(dst, size)
	out, err := z.decoder.DecodeAll(src, out[:0:size]) // which it does not exceed, whatever follows the first frame
	if err != nil || len(out) != size {
		return nil, errMalformed
	}
	return grown(dst, out), nil
}
