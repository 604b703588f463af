package session_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// benchSizes are those of the sessions of the benchmarks: the usual one, and a large one.
func benchSizes() []int { return []int{1 << 10, 64 << 10} }

// stillStore has one session, which it neither copies nor changes, so that what remains is the work of this package.
type stillStore struct{ rec session.Record }

func (s *stillStore) Read(context.Context, session.ID) (session.Record, error) { return s.rec, nil }
func (s *stillStore) Destroy(context.Context, session.ID) error                { return nil }
func (s *stillStore) GC(context.Context, int) (int, error)                     { return 0, nil }

func (s *stillStore) Write(_ context.Context, _ session.ID, rec session.Record, prev session.Version) error {
	if prev == (session.Version{}) {
		rec.Payload = append([]byte(nil), rec.Payload...)
		s.rec = rec
	}
	return nil
}

// fill sets values that make a session about as large.
func fill(s *session.Session, size int) {
	_ = user.Set(s, "ann")
	each := min(1000, size/5)
	for i := range size / each {
		_ = session.NewKey[string](fmt.Sprintf("text%d", i)).Set(s, strings.Repeat("t", each-10))
	}
	_ = count.Set(s, 0)
}

// BenchmarkKeys is the load and the commit of a session, and what one typed key adds, by size.
func BenchmarkKeys(b *testing.B) {
	for _, size := range benchSizes() {
		m := newManager(b, new(stillStore), session.Options{GCInterval: -1})
		v := newVisitor(b, m)
		v.do(func(s *session.Session) { fill(s, size) })
		in, out, n := http.Header{"Cookie": {v.cookie}}, make(http.Header), 0
		for _, use := range []struct {
			name string
			f    func(*session.Session) error
		}{
			{"load", func(*session.Session) error { return nil }},
			{"get", func(s *session.Session) error { user.Get(s); return nil }},
			{"set-same", func(s *session.Session) error { return user.Set(s, "ann") }},
			{"set-commit", func(s *session.Session) error { n++; return count.Set(s, n) }},
			{"update-commit", func(s *session.Session) error { return count.Update(s, func(int) int { n++; return n }) }},
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", use.name, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					clear(out)
					x := m.Begin(b.Context(), in)
					s, err := x.Get()
					if err == nil {
						err = use.f(s)
					}
					if err == nil {
						err = x.Commit(out)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkMerge is three-way, by key: the one side has changed a value, the other one added and deleted one.
func BenchmarkMerge(b *testing.B) {
	payload := func(size int, change func(i int, value []byte) []byte) (p []byte) {
		each := min(1000, size/5)
		for i := range size / each {
			if value := change(i, []byte(strings.Repeat("t", each-10))); value != nil {
				p = session.AppendFrame(p, fmt.Sprintf("text%d", i), value)
			}
		}
		return p
	}
	for _, size := range benchSizes() {
		base := payload(size, func(_ int, v []byte) []byte { return v })
		ours := payload(size, func(i int, v []byte) []byte {
			if i == 1 {
				return []byte("ours")
			}
			return v
		})
		theirs := session.AppendFrame(payload(size, func(i int, v []byte) []byte {
			if i == 2 {
				return nil
			}
			return v
		}), "theirs", []byte("theirs"))
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, lost, err := session.MergePayload(base, ours, theirs); lost || err != nil {
					b.Fatal(lost, err)
				}
			}
		})
	}
}
