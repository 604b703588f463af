package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A server stalls while nobody comes. The first who comes again is held up no longer than others: not by the test of each
// connection that has been idle.
func testStallIdle(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := openAsIs(t, withParams(t, r.URL(), "dial_timeout=5s&pool_timeout=5s"))
	id, _ := stored(t, s)
	var wg sync.WaitGroup
	for range 200 { // which fill the pool
		wg.Go(func() { _, _ = s.Read(t.Context(), id) })
	}
	wg.Wait()
	time.Sleep(31 * time.Second)
	r.Stop()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		begin := time.Now()
		_, err := s.Read(ctx, id)
		if took := time.Since(begin); !errors.Is(err, session.ErrUnavailable) || took > 2*time.Second {
			t.Errorf("a server that stalls: got error %v after %v", err, took)
		}
		cancel()
	}
	r.Continue()
	eventually(t, "Read", func() error { _, err := s.Read(t.Context(), id); return err })
}

// The timeouts of the URL end each call when the context has no deadline, also of those who wait for a connection.
func testStallWithoutDeadline(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := openAsIs(t, withParams(t, r.URL(), "pool_size=2"))
	eventually(t, "Ping", func() error { return s.Ping(t.Context()) })
	r.Stop()
	ctx, rec := context.Background(), record(session.Version{1}, "x")
	begin := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		for _, call := range []func() error{
			func() error { _, err := s.Read(ctx, newID()); return err },
			func() error { return s.Write(ctx, newID(), rec, session.Version{}) },
			func() error { return s.Touch(ctx, newID(), rec) },
			func() error { return s.Destroy(ctx, newID()) },
			func() error { _, err := s.Acquire(ctx, newID(), request("x", time.Minute)); return err },
			func() error { return s.Ping(ctx) },
		} {
			wg.Go(func() {
				if err := call(); !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("a server that stalls: got error %v", err)
				}
			})
		}
	}
	wg.Wait()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the last call returned after %v", took)
	}
	r.Continue()
}

// The deadline holds for sending as well: of a large record, to a server that stalls, only a part fits into buffers.
func testStallLarge(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	must(t, "Ping", s.Ping(t.Context()))
	r.Stop()
	defer r.Continue()
	rec := record(session.Version{1}, strings.Repeat("x", 12<<20))
	for range 2 { // with a connection that was there, and with a new one
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		begin := time.Now()
		err := s.Write(ctx, newID(), rec, session.Version{})
		if took := time.Since(begin); !errors.Is(err, session.ErrUnavailable) || took > 3*time.Second {
			t.Errorf("got error %v after %v", err, took)
		}
		cancel()
	}
}

// The server becomes a replica and its name moves to another one, as managed servers without a cluster fail over. The
// connections that are there stay open, and all that they write is refused.
func testDemoted(t *testing.T) {
	t.Parallel()
	old, next := servers.StartRedis(t, nil), servers.StartRedis(t, nil)
	proxy := servers.StartProxy(t, old.Addr())
	s := open(t, "redis://"+proxy.Addr()+"?pool_size=8")
	_, stop := busy(t, s, time.Millisecond)
	defer stop()
	must(t, "REPLICAOF", admin(old, "replicaof 127.0.0.1 1")) // of nobody
	proxy.Redirect(next.Addr())
	for range 30 { // through all connections
		eventually(t, "Write", func() error { return s.Write(t.Context(), newID(), record(session.Version{1}, "x"), session.Version{}) })
	}
}
