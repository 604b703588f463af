package locks_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// BenchmarkUncontended is a request that changes a session of 1 KiB, alone.
func BenchmarkUncontended(b *testing.B) {
	r := servers.StartRedis(b, nil)
	m := manager(b, r, session.LockOptions{})
	cookie := newSession(b, m)
	err := request(b.Context(), m, cookie, session.Optimistic, func(s *session.Session) {
		_ = word.Set(s, string(make([]byte, 170))) // 1 KiB as JSON
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, mode := range []session.Mode{session.Optimistic, session.Exclusive} {
		b.Run(fmt.Sprint(mode), func(b *testing.B) {
			b.ReportAllocs()
			in := http.Header{"Cookie": {cookie}}
			for b.Loop() {
				x := m.Begin(b.Context(), in)
				s, err := x.Get(mode)
				if err == nil {
					err = count.Set(s, count.Get(s)+1)
				}
				if err == nil {
					err = x.Commit(http.Header{})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
