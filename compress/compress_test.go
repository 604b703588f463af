package compress_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/compress"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// methods are all that there are, those of package session too.
func methods() map[string]session.Compressor {
	return map[string]session.Compressor{
		"gzip": new(session.Gzip), "zstd": compress.Zstd(), "lz4": compress.LZ4(), "snappy": compress.Snappy(), "lzf": compress.LZF(),
	}
}

// realistic is the data of a session of about n bytes: a visitor, a cart, what he looked at, some random tokens.
func realistic(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"user":{"id":%d,"name":"Ann Example","mail":"ann@example.org","roles":["customer","newsletter"],"locale":"de_CH"},"csrf":"%016x%016x%016x","cart":[`,
		r.IntN(1e6), r.Uint64(), r.Uint64(), r.Uint64())
	words := strings.Fields("small large red green blue cotton linen shirt trousers lamp table chair garden kitchen oak steel glass set of new classic summer winter")
	for i := 0; b.Len() < n-160; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"%c%c-%06d","name":"%s %s %s","quantity":%d,"price":{"amount":%d,"currency":"CHF"},"added":%d}`,
			'A'+byte(r.IntN(26)), 'A'+byte(r.IntN(26)), r.IntN(1e6), words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))],
			1+r.IntN(9), r.IntN(99999), 1_800_000_000_000+r.Int64N(1e9))
	}
	fmt.Fprintf(&b, `],"flash":null,"seen":%d}`, 1_800_000_000_000+r.Int64N(1e9))
	return b.Bytes()
}

// samples are data of all kinds.
func samples() map[string][]byte {
	random := make([]byte, 70_000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(random)
	s := map[string][]byte{"random": random, "zeros": make([]byte, 100_000), "two bytes": {1, 2}, "four of one": []byte("aaaa")}
	for _, n := range []int{1 << 10, 4 << 10, 64 << 10, 1 << 20} {
		s[fmt.Sprintf("session of %d", n)] = realistic(n)
	}
	for i := range 70 {
		s[fmt.Sprintf("%d of one", i+3)] = bytes.Repeat([]byte("x"), i+3)
		s[fmt.Sprintf("repeated after %d", i)] = append(bytes.Clone(random[:i+1]), random[:i+1]...)
	}
	s["repeated far away"] = append(bytes.Clone(random[:8191]), random[:20]...)
	s["repeated farther"] = append(bytes.Clone(random[:8192]), random[:20]...)
	s["repeated too far away"] = append(bytes.Clone(random[:8193]), random[:20]...)
	s["long repetition"] = append(bytes.Clone(random[:300]), random[:300]...)
	return s
}

// What was compressed comes back, behind what is there already, from many goroutines at once.
func TestMethods(t *testing.T) {
	t.Parallel()
	tags := map[byte]bool{}
	for name, m := range methods() {
		if tags[m.Tag()] || m.Tag() == 0 || m.Tag() > 127 {
			t.Errorf("%s: tag %d", name, m.Tag())
		}
		tags[m.Tag()] = true
		var wait sync.WaitGroup
		for what, data := range samples() {
			wait.Go(func() {
				packed, err := m.Compress(append(make([]byte, 0, 3+len(data)), "abc"...), data)
				if err != nil {
					if !strings.HasPrefix(what, "random") && !strings.Contains(what, "repeated") && len(data) > 100 {
						t.Errorf("%s, %s: %v", name, what, err)
					}
					return
				}
				if string(packed[:3]) != "abc" {
					t.Errorf("%s, %s: what was there already is gone", name, what)
				}
				got, err := m.Decompress([]byte("abc"), packed[3:], len(data))
				if err != nil || string(got) != "abc"+string(data) {
					t.Errorf("%s, %s: %d bytes became %d, %v", name, what, len(data), len(got), err)
				}
				for _, size := range []int{len(data) - 1, len(data) + 1} {
					if _, err := m.Decompress(make([]byte, 0, len(data)+1), packed[3:], size); err == nil {
						t.Errorf("%s, %s: %d bytes are taken for %d", name, what, len(data), size)
					}
				}
			})
		}
		wait.Wait()
	}
}

// What others write can be read: this is what LibLZF 3.6 makes.
func TestLZFFormat(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		strings.Repeat("hello ", 6)[:35]: "0668656c6c6f2068e01105016c6f",
		strings.Repeat("a", 300):         "016161e0ff00e01700016161",
		strings.Repeat(`{"id":1,"name":"Ann"},{"id":2,"name":"Bob"},{"id":3,"name":"Ann"}`, 2): "167b226964223a312c226e616d65223a22416e6e227d2c7b60150032e0001502426f62e000150033e00015602b802ae0304001227d",
	} {
		packed, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := compress.LZF().Decompress(nil, packed, len(want))
		if err != nil || string(got) != want {
			t.Errorf("%.20q: got %.40q, %v", want, got, err)
		}
	}
}

// Any node reads what any other has written: sessions go through all methods and back, in every order of two.
func TestSwitchedInAnyOrder(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	var ways []session.Compression
	for _, m := range methods() {
		ways = append(ways, session.Compression{Method: m, Reads: compress.All()})
	}
	ways = append(ways, session.Compression{Reads: compress.All()})
	key, want, cookie := session.NewKey[string]("data"), "", ""
	for i := range len(ways) * len(ways) {
		for _, how := range []session.Compression{ways[i%len(ways)], ways[i/len(ways)]} {
			m, err := session.New(store, session.Options{Compression: how})
			if err != nil {
				t.Fatal(err)
			}
			r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
			r.Header.Set("Cookie", cookie)
			m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, err := session.Get(r.Context())
				if err != nil || key.Get(s) != want {
					t.Fatalf("round %d: the session is lost: %v", i, err)
				}
				want = string(realistic(4000 + i))
				_ = key.Set(s, want)
			})).ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				cookie = c.Name + "=" + c.Value
			}
		}
	}
}

// FuzzDecompress reads anything with every method: nothing panics, and nothing is longer than was asked for.
func FuzzDecompress(f *testing.F) {
	all := methods()
	names := []string{"gzip", "zstd", "lz4", "snappy", "lzf"}
	data := realistic(1000)
	for i, name := range names {
		packed, err := all[name].Compress(make([]byte, 0, len(data)), data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), uint16(len(data)), packed)
		f.Add(uint8(i), uint16(len(data)), packed[:len(packed)/2])
		f.Add(uint8(i), uint16(7), packed)
		f.Add(uint8(i), uint16(0), []byte{})
	}
	f.Fuzz(func(t *testing.T, which uint8, size uint16, packed []byte) {
		name := names[int(which)%len(names)]
		kept := bytes.Clone(packed)
		got, err := all[name].Decompress(make([]byte, 0, size), packed, int(size))
		if err == nil && len(got) != int(size) {
			t.Fatalf("%s: %d bytes instead of %d", name, len(got), size)
		}
		if !bytes.Equal(packed, kept) {
			t.Fatalf("%s: its input was changed", name)
		}
	})
}

// FuzzCompress: whatever is compressed comes back.
func FuzzCompress(f *testing.F) {
	all := methods()
	for _, data := range samples() {
		if len(data) < 5000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, m := range all {
			packed, err := m.Compress(make([]byte, 0, len(data)), data)
			if err != nil {
				continue
			}
			if got, err := m.Decompress(make([]byte, 0, len(data)), packed, len(data)); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: %d bytes became %d, %v", name, len(data), len(got), err)
			}
		}
	})
}

// A bomb costs no more memory than it may, whatever it says. Not parallel: it measures memory.
func TestD3InflateIsBounded(t *testing.T) {
	for name, m := range methods() {
		raw := make([]byte, 64<<20)
		packed, err := m.Compress(make([]byte, 0, len(raw)), raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 1 << 10, 1 << 20} {
			took := uint64(math.MaxUint64)
			for range 5 { // pools of readers may be emptied at any time, and then the next one makes its tables anew
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if _, err := m.Decompress(nil, packed, size); err == nil {
					t.Errorf("%s: %d bytes are taken for %d", name, len(raw), size)
				}
				runtime.ReadMemStats(&after)
				took = min(took, after.TotalAlloc-before.TotalAlloc)
			}
			if took > 2*uint64(size)+1<<20 { // a buffer may grow once to find that there is more
				t.Errorf("%s: refusing %d bytes as %d took %d KiB of memory", name, len(raw), size, took>>10)
			}
		}
	}
}
