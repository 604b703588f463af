package mysql_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The other end of all connections vanishes without a word, several times. A call on such a connection fails at its timeout,
// each connection fails one call at most, and then the pool has new ones.
func TestVanished(t *testing.T) {
	t.Parallel()
	const conns = 8
	m := servers.StartMariaDB(t, nil)
	proxy := servers.StartProxy(t, m.Addr())
	s := openAsIs(t, withParams(t, through(t, m.URL(), proxy.Addr()), "pool_size=8&batches=0&dial_timeout=5s&read_timeout=500ms"))
	id := newID()
	var n ticks
	rec := record(n.next(), "first")
	eventually(t, "create", func() error { return s.Write(t.Context(), id, rec, session.Version{}) })
	for range 3 {
		var wg sync.WaitGroup
		for range 10 * conns { // which fill the pool
			wg.Go(func() { _, _ = s.Read(t.Context(), id) })
		}
		wg.Wait()
		proxy.Vanish()
		begin, failed := time.Now(), 0
		for good := 0; good < 3*conns; { // one after the other, each on the connection that was used last
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			next := record(n.next(), "next")
			err := s.Write(ctx, id, next, rec.Version)
			if err == nil {
				good, rec = good+1, next
			} else if failed, good = failed+1, 0; !errors.Is(err, session.ErrUnavailable) || failed > conns {
				t.Fatalf("call %d that failed: %v", failed, err)
			}
			cancel()
		}
		t.Logf("%d calls failed, the pool was healed after %v", failed, time.Since(begin).Round(time.Millisecond))
		if failed == 0 {
			t.Error("no call failed: nothing vanished")
		}
		expectPayload(t, s, id, "next")
	}
}
