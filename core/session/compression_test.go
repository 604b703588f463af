package session_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// method is a Compressor of the application's own.
type method struct {
	compress func(dst, src []byte) ([]byte, error)
}

func (method) Tag() byte { return 200 }

func (m method) Compress(dst, src []byte) ([]byte, error) {
	if bytes.HasPrefix(src, []byte("nonstick")) { // New tries it
		return append(dst, src...), nil
	}
	return m.compress(dst, src)
}

func (method) Decompress(dst, src []byte, _ int) ([]byte, error) { return append(dst, src...), nil }

func compressing(m session.Compressor, threshold int) session.Options {
	return session.Options{Compression: session.Compression{Method: m, Threshold: threshold}, Observer: session.Silent{}}
}

// halves is a text that gzip makes much smaller.
func halves(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString("the item number ")
		b.WriteByte('a' + byte(i*i%23))
		b.WriteByte('a' + byte(i*7%25))
	}
	return b.String()[:n]
}

func TestCompressionThreshold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		threshold, size int
		want            bool
	}{{0, 2000, false}, {0, 2048, true}, {500, 480, false}, {500, 600, true}, {-1, 200, true}, {-1, 1, false}} {
		store := newTapped()
		v := named(t, store, compressing(new(session.Gzip), c.threshold), halves(c.size))
		_, rec := store.last(v)
		if got := session.Sealed(rec.Payload); got != c.want || got && len(rec.Payload) > c.size*3/4+40 {
			t.Errorf("threshold %d, %d bytes: compressed %v to %d, want %v", c.threshold, c.size, got, len(rec.Payload), c.want)
		}
		if got := holds(v); got != halves(c.size) {
			t.Errorf("threshold %d: got %d bytes back, want %d", c.threshold, len(got), c.size)
		}
	}
}

// Any node reads what any other has written, whatever the options of both.
func TestCompressionIsSwitched(t *testing.T) {
	t.Parallel()
	store := newTapped()
	own := method{func(dst, src []byte) ([]byte, error) { return append(dst, src[:len(src)-100]...), nil }} // drops the end
	ways := []session.Options{
		{}, compressing(new(session.Gzip), 0), compressing(&session.Gzip{Level: 9}, -1),
		{Compression: session.Compression{Reads: []session.Compressor{own}}},
	}
	v := named(t, store, session.Options{}, "")
	text := ""
	for i := range len(ways) * len(ways) {
		for _, o := range []session.Options{ways[i%len(ways)], ways[i/len(ways)]} {
			v.on(newManager(t, store, o)).do(func(s *session.Session) {
				if user.Get(s) != text {
					t.Fatalf("got %d bytes, want %d", len(user.Get(s)), len(text))
				}
				text = halves(3000 + len(text)%7 + 1)
				_ = user.Set(s, text)
			})
		}
	}
}

// A compression that fails, or makes it worse, costs nobody his session.
func TestCompressionStoresRaw(t *testing.T) {
	t.Parallel()
	for name, compress := range map[string]func(dst, src []byte) ([]byte, error){
		"fails":           func(_, _ []byte) ([]byte, error) { return nil, errors.New("no") },
		"fails half way":  func(dst, src []byte) ([]byte, error) { return append(dst, src[:10]...), errors.New("no") },
		"gets larger":     func(dst, src []byte) ([]byte, error) { return append(append(dst, src...), 1), nil },
		"stays the same":  func(dst, src []byte) ([]byte, error) { return append(dst, src...), nil },
		"gets too small":  func(dst, src []byte) ([]byte, error) { return append(dst, src[:len(src)/101]...), nil },
		"gives back none": func(dst, _ []byte) ([]byte, error) { return dst, nil },
	} {
		store := newTapped()
		v := named(t, store, compressing(method{compress}, 0), halves(5000))
		if _, rec := store.last(v); session.Sealed(rec.Payload) {
			t.Errorf("%s: it is stored compressed", name)
		}
		if got := holds(v); got != halves(5000) {
			t.Errorf("%s: got %d bytes back", name, len(got))
		}
	}
}

// packed is the stored form of data that is said to have been compressed by gzip to size bytes.
func packed(size uint64, data []byte) []byte {
	return append(binary.AppendUvarint([]byte{0, 1, 1}, size), data...)
}

func gzipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	out, err := new(session.Gzip).Compress(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Security rule D3: what a compressed record costs is bounded, by size and by ratio, whatever it says. Not parallel: it
// measures memory.
func TestD3InflateIsBounded(t *testing.T) {
	bomb := gzipped(t, make([]byte, 256<<20))
	payload := session.AppendFrame(nil, "user", []byte(`"`+halves(1000)+`"`))
	good := gzipped(t, payload)
	second := append(bytes.Clone(good), good...)
	for name, form := range map[string][]byte{
		"a bomb":                   packed(256<<20, bomb),
		"a bomb that says less":    packed(1<<20, bomb),
		"a bomb in the limits":     packed(16<<20, bomb),
		"larger than any may be":   packed(16<<20+1, make([]byte, 1<<20)),
		"too high a ratio":         packed(101_000, make([]byte, 1000)),
		"size of 2^64-1":           packed(1<<64-1, good),
		"fewer than it says":       packed(uint64(len(payload)+1), good),
		"more than it says":        packed(uint64(len(payload)-1), good),
		"two in one":               packed(uint64(len(payload)), second),
		"rubbish behind":           packed(uint64(len(payload)), append(bytes.Clone(good), 1)),
		"cut off":                  packed(uint64(len(payload)), good[:len(good)-1]),
		"no data":                  packed(uint64(len(payload)), nil),
		"no size":                  {0, 1, 1},
		"no method":                {0, 1},
		"an unknown method":        {0, 1, 99, 1, 1},
		"an unknown form":          {0, 9, 1},
		"nothing but the mark":     {0},
		"compressed twice":         packed(uint64(len(packed(uint64(len(payload)), good))), gzipped(t, packed(uint64(len(payload)), good))),
		"what is in it is no data": packed(1000, gzipped(t, bytes.Repeat([]byte("xyz7"), 250))),
	} {
		store, events := memstore.New(nil), &recorder{}
		v := newVisitor(t, newManager(t, store, session.Options{Observer: events}))
		v.cookie = "__Host-session=" + stored(t, store, form)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res := v.do(func(s *session.Session) {
			if !s.IsNew() {
				t.Errorf("%s: it is believed", name)
			}
		})
		runtime.ReadMemStats(&after)
		if res.StatusCode != http.StatusOK || events.count(session.EventUndecodable) != 1 {
			t.Errorf("%s: status %d, events %v", name, res.StatusCode, events.events)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 20<<20 {
			t.Errorf("%s: it took %d MiB of memory", name, took>>20)
		}
	}
	// and what is in order is read
	store := memstore.New(nil)
	v := newVisitor(t, newManager(t, store, session.Options{}))
	v.cookie = "__Host-session=" + stored(t, store, packed(uint64(len(payload)), good))
	if got := holds(v); got != halves(1000) {
		t.Errorf("got %d bytes back", len(got))
	}
}

// What Gzip makes is what everybody calls gzip.
func TestGzipFormat(t *testing.T) {
	t.Parallel()
	r, err := gzip.NewReader(bytes.NewReader(gzipped(t, []byte("hello"))))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil || out.String() != "hello" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
