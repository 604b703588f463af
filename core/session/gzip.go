package session

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"sync"
)

// Gzip is the Compressor that this package brings. The zero value is ready to use. Package compress has faster ones.
type Gzip struct {
	// Level is that of compress/gzip, 1 to 9. Default 1, the fastest.
	Level int

	writers, readers sync.Pool // each holds tables of some hundred KiB
}

// Tag returns 1.
func (*Gzip) Tag() byte { return 1 }

// Compress appends src in the format of RFC 1952.
func (g *Gzip) Compress(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, _ := g.writers.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(out, cmp.Or(g.Level, gzip.BestSpeed)); err != nil {
			return nil, err
		}
	} else {
		w.Reset(out)
	}
	_, err := w.Write(src)
	err = errors.Join(err, w.Close())
	w.Reset(io.Discard) // the pool is to keep the tables alone
	g.writers.Put(w)
	return out.Bytes(), err
}

// Decompress appends what src holds.
func (g *Gzip) Decompress(dst, src []byte, size int) ([]byte, error) {
	in := bytes.NewReader(src)
	r, _ := g.readers.Get().(*gzip.Reader)
	if r == nil {
		r = new(gzip.Reader)
	}
	defer g.readers.Put(r)
	if err := r.Reset(in); err != nil {
		return nil, err
	}
	r.Multistream(false)
	start := len(dst)
	dst = slices.Grow(dst, size)[:start+size]
	if _, err := io.ReadFull(r, dst[start:]); err != nil {
		return nil, err
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n != 0 || !errors.Is(err, io.EOF) || in.Len() > 0 {
		return nil, errors.New("gzip: more than was announced")
	}
	return dst, nil
}
