package compress_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/compress"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// BenchmarkMethods is what each method makes of realistic sessions: how small, and how fast.
func BenchmarkMethods(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10} {
		data := realistic(size)
		for _, name := range []string{"gzip", "zstd", "lz4", "snappy", "lzf"} {
			m := methods()[name]
			packed, err := m.Compress(make([]byte, 0, len(data)), data)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%dKiB/%s/compress", size>>10, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				dst := make([]byte, 0, len(data))
				for b.Loop() {
					_, _ = m.Compress(dst, data)
				}
				b.ReportMetric(100*float64(len(packed))/float64(len(data)), "%")
			})
			b.Run(fmt.Sprintf("%dKiB/%s/decompress", size>>10, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				dst := make([]byte, 0, len(data))
				for b.Loop() {
					_, _ = m.Decompress(dst, packed, len(data))
				}
			})
		}
	}
}

// BenchmarkRatios is the median time of whole requests with each kind of sealing, over that of the same request with none, in one
// interleaved run: what else the machine does strikes all of them alike, and a pause does not count. The store is memory, so this
// is the most that it can matter.
func BenchmarkRatios(b *testing.B) {
	secret := []session.Secret{session.Secret(strings.Repeat("s", 32))}
	ways := []struct {
		name string
		o    session.Options
	}{
		{"none", session.Options{}},
		{"mac", session.Options{TokenMAC: session.TokenMAC{Keys: secret}}},
		{"aes", session.Options{Encryption: session.Encryption{Keys: secret}}},
		{"aes+token", session.Options{Encryption: session.Encryption{Keys: secret, Token: true}}},
	}
	for _, name := range []string{"gzip", "zstd", "lz4", "snappy", "lzf"} {
		ways = append(ways, struct {
			name string
			o    session.Options
		}{name, session.Options{Compression: session.Compression{Method: methods()[name], Threshold: -1, Reads: compress.All()}}})
	}
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10} {
		for _, what := range []string{"read", "change"} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, what), func(b *testing.B) {
				var requests []func()
				for _, way := range ways {
					requests = append(requests, request(b, way.o, size, what == "change"))
				}
				took := make([][]time.Duration, len(ways))
				for b.Loop() {
					for i, do := range requests {
						begin := time.Now()
						do()
						took[i] = append(took[i], time.Since(begin))
					}
				}
				median := func(i int) float64 {
					slices.Sort(took[i])
					return float64(took[i][len(took[i])/2])
				}
				for i, way := range ways[1:] {
					b.ReportMetric(median(i+1)/median(0), way.name+"/none")
				}
				b.ReportMetric(median(0), "ns/none")
			})
		}
	}
}

// request returns what sends a request of a visitor whose session has a value of a size and a counter.
func request(b *testing.B, o session.Options, size int, change bool) func() {
	m, err := session.New(memstore.New(nil), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	data, count := session.NewKey[string]("data"), session.NewKey[int]("count")
	first := httptest.NewRecorder()
	m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.Get(r.Context())
		_, _ = data.Set(s, string(realistic(size))), count.Set(s, 0)
	})).ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/", nil))
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil || s.IsNew() {
			b.Fatal("the session is lost")
		}
		if change {
			_ = count.Update(s, func(n int) int { return n + 1 })
		} else {
			count.Get(s)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	c := first.Result().Cookies()[0]
	r.Header.Set("Cookie", c.Name+"="+c.Value)
	return func() { h.ServeHTTP(httptest.NewRecorder(), r) }
}
