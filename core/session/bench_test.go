package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// discard is a ResponseWriter that costs nothing, so that a benchmark shows the session alone.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// requests are the paths that most requests take, as handlers, and how often one may allocate.
func requests() []struct {
	name   string
	allocs float64
	h      func(testing.TB, *http.Request)
} {
	get := func(t testing.TB, r *http.Request, mode session.Mode) *session.Session {
		s, err := session.Get(r.Context(), mode)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return []struct {
		name   string
		allocs float64
		h      func(testing.TB, *http.Request)
	}{
		{"Untouched", 2, func(testing.TB, *http.Request) {}},
		{"ReadOnly", 5, func(t testing.TB, r *http.Request) { user.Get(get(t, r, session.ReadOnly)) }},
		{"Read", 5, func(t testing.TB, r *http.Request) { user.Get(get(t, r, session.Optimistic)) }},
		{"Change", 9, func(t testing.TB, r *http.Request) { add(get(t, r, session.Optimistic), 1) }},
	}
}

// requester returns a function that makes one request for a session of about 1 KiB in five keys in memstore.
func requester(t testing.TB, h func(testing.TB, *http.Request)) func() {
	m := newManager(t, nil, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) {
		_ = count.Set(s, 0)
		_ = user.Set(s, "ann")
		_ = cart.Set(s, []string{"book", "pen"})
		_ = session.NewKey[string]("csrf").Set(s, strings.Repeat("c", 43))
		_ = session.NewKey[string]("profile").Set(s, strings.Repeat("p", 850))
	})
	handler := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(t, r)
		w.WriteHeader(http.StatusNoContent)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", v.cookie)
	w := &discard{header: make(http.Header)}
	return func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}

// BenchmarkRequest is the cost of a whole request.
func BenchmarkRequest(b *testing.B) {
	for _, bench := range requests() {
		b.Run(bench.name, func(b *testing.B) {
			do := requester(b, bench.h)
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

// BenchmarkRecord is the encoding that all stores share.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		rec := session.Record{Version: session.Version{1}, TTL: time.Hour, Payload: make([]byte, size)}
		data := session.AppendRecord(nil, &rec)
		b.Run(fmt.Sprintf("Append/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				data = session.AppendRecord(data[:0], &rec)
			}
		})
		b.Run(fmt.Sprintf("Parse/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := session.ParseRecord(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
