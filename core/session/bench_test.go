package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// discard is a ResponseWriter that costs nothing, so that a benchmark shows the session alone.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkRequest is the cost of a whole request with a session of 1 KiB in five keys in memstore.
func BenchmarkRequest(b *testing.B) {
	m := newManager(b, nil, session.Options{})
	v := newVisitor(b, m)
	v.do(func(s *session.Session) {
		_ = count.Set(s, 0)
		_ = user.Set(s, "ann")
		_ = cart.Set(s, []string{"book", "pen"})
		_ = session.NewKey[string]("csrf").Set(s, strings.Repeat("c", 43))
		_ = session.NewKey[string]("profile").Set(s, strings.Repeat("p", 850))
	})
	get := func(b *testing.B, r *http.Request, mode session.Mode) *session.Session {
		s, err := session.Get(r.Context(), mode)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	for _, bench := range []struct {
		name string
		h    func(*testing.B, *http.Request)
	}{
		{"Untouched", func(*testing.B, *http.Request) {}},
		{"ReadOnly", func(b *testing.B, r *http.Request) { user.Get(get(b, r, session.ReadOnly)) }},
		{"Read", func(b *testing.B, r *http.Request) { user.Get(get(b, r, session.Optimistic)) }},
		{"Change", func(b *testing.B, r *http.Request) { add(get(b, r, session.Optimistic), 1) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				bench.h(b, r)
				w.WriteHeader(http.StatusNoContent)
			}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", v.cookie)
			w := &discard{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}
