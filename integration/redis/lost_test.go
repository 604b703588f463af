package redis_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A reply is lost after the script ran. The same call again succeeds, and changes nothing.
func testLostReply(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	for name, how := range map[string]servers.Loss{"silence": servers.Silence, "FIN": servers.FIN, "RST": servers.RST} {
		proxy := servers.StartProxy(t, r.Addr())
		s := openAsIs(t, "redis://"+proxy.Addr()+"?pool_size=1&read_timeout=500ms&dial_timeout=5s&pool_timeout=5s")
		must(t, "Ping", s.Ping(t.Context()))
		var n ticks
		id, ctx := newID(), t.Context()
		first, second := record(n.next(), "one"), record(n.next(), "two")
		for _, c := range []struct {
			name string
			call func() error
			hset int // how often the two calls together may write
		}{
			{"create", func() error { return s.Write(ctx, id, first, session.Version{}) }, 1},
			{"touch", func() error { return s.Touch(ctx, id, first) }, 2},
			{"change", func() error { return s.Write(ctx, id, second, first.Version) }, 1},
			{"read", func() error { _, err := s.Read(ctx, id); return err }, 0},
			{"destroy", func() error { return s.Destroy(ctx, id) }, 0},
		} {
			commands(t, r)
			proxy.Lose(how)
			if err := c.call(); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s, %s: got error %v, want %v", name, c.name, err, session.ErrUnavailable)
			}
			if err := c.call(); err != nil {
				t.Errorf("%s, %s again: %v", name, c.name, err)
			}
			if got := commands(t, r)["hset"]; got != c.hset {
				t.Errorf("%s, %s: written %d times, want %d", name, c.name, got, c.hset)
			}
		}
		if proxy.Lost() != 5 {
			t.Errorf("%s: %d replies were lost, want 5", name, proxy.Lost())
		}
	}
}

// Of 20,000 writes, one in twenty loses its reply after the script ran, and is repeated as the session.Manager repeats it.
// None is applied twice, none is reported as a conflict, none is lost.
func testLostReplies(t *testing.T) {
	const writers, each = 8, 2500
	r := servers.StartRedis(t, nil)
	proxy := servers.StartProxy(t, r.Addr())
	s := open(t, "redis://"+proxy.Addr())
	must(t, "Ping", s.Ping(t.Context()))
	commands(t, r)
	proxy.LoseShare(50)
	var wg sync.WaitGroup
	ids := make([]session.ID, writers)
	var repeated atomic.Int64
	for i := range ids {
		ids[i] = newID()
		wg.Go(func() {
			var n ticks
			var prev session.Version
			for k := range each {
				rec := record(n.next(), strconv.Itoa(k))
				err := s.Write(t.Context(), ids[i], rec, prev)
				for errors.Is(err, session.ErrUnavailable) {
					repeated.Add(1)
					err = s.Write(t.Context(), ids[i], rec, prev)
				}
				if err != nil {
					t.Errorf("write %d: %v", k, err)
					return
				}
				prev = rec.Version
			}
		})
	}
	wg.Wait()
	proxy.LoseShare(0)
	if got := commands(t, r)["hset"]; got != writers*each {
		t.Errorf("%d records were stored for %d writes", got, writers*each)
	}
	for _, id := range ids {
		expectPayload(t, s, id, strconv.Itoa(each-1))
	}
	t.Logf("%d writes, %d replies lost, %d calls repeated", writers*each, proxy.Lost(), repeated.Load())
	if repeated.Load() < writers*each/40 { // a batch loses all of its replies at once
		t.Errorf("%d calls were repeated of %d", repeated.Load(), writers*each)
	}
}

// How many bytes a call costs on the wire beyond the session's own data.
func testBytesOnTheWire(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	proxy := servers.StartProxy(t, r.Addr())
	s := open(t, "redis://"+proxy.Addr()+"?pool_size=1")
	must(t, "Ping", s.Ping(t.Context()))
	const size = 1024
	id, ctx := newID(), t.Context()
	first, second := record(session.Version{1}, string(make([]byte, size))), record(session.Version{2}, string(make([]byte, size)))
	for _, c := range []struct {
		name           string
		call           func() error
		sent, received int64 // at most, without the payload
	}{
		{"create", func() error { return s.Write(ctx, id, first, session.Version{}) }, 240, 4},
		{"change", func() error { return s.Write(ctx, id, second, first.Version) }, 260, 4},
		{"touch", func() error { return s.Touch(ctx, id, second) }, 230, 4},
		{"read", func() error { _, err := s.Read(ctx, id); return err }, 112, 72},
		{"destroy", func() error { return s.Destroy(ctx, id) }, 100, 4},
	} {
		sentBefore, receivedBefore := proxy.Bytes()
		must(t, c.name, c.call())
		sent, received := proxy.Bytes()
		sent, received = sent-sentBefore, received-receivedBefore
		switch c.name {
		case "create", "change":
			sent -= size
		case "read":
			received -= size
		}
		t.Logf("%s: %d bytes sent, %d received beyond the payload", c.name, sent, received)
		if sent > c.sent || received > c.received {
			t.Errorf("%s: %d bytes sent, %d received beyond the payload, want at most %d and %d", c.name, sent, received, c.sent, c.received)
		}
	}
}
