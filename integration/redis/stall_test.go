package redis_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// counter is a number kept in one session that several goroutines increase by optimistic changes.
type counter struct {
	ticks
	id      session.ID
	acked   atomic.Int64 // increases that were confirmed
	unknown atomic.Int64 // increases of which nobody knows
	calls   atomic.Int64 // calls that got no answer
}

func newCounter(t *testing.T, s store) *counter {
	c := &counter{id: newID()}
	must(t, "create", s.Write(t.Context(), c.id, record(c.next(), "0"), session.Version{}))
	return c
}

// increase reads, adds one and writes, until that is confirmed, refused, or must remain unknown. Each call has its own
// time limit. A write without an answer is repeated: it is the same write, with the same version.
func (c *counter) increase(t *testing.T, s store, limit time.Duration) {
	rec, err := c.read(t, s, limit)
	if err != nil {
		return
	}
	n, err := strconv.Atoi(string(rec.Payload))
	must(t, "the payload", err)
	prev := rec.Version
	rec.Version, rec.Payload = c.next(), strconv.AppendInt(nil, int64(n+1), 10)
	for ambiguous := false; ; {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := s.Write(ctx, c.id, rec, prev)
		cancel()
		switch {
		case err == nil:
			c.acked.Add(1)
			return
		case errors.Is(err, session.ErrConflict):
			if ambiguous { // it may have been applied, and overwritten before it was repeated
				c.unknown.Add(1)
			}
			return
		case errors.Is(err, session.ErrUnavailable):
			c.calls.Add(1)
			ambiguous = true
			time.Sleep(rand.N(20 * time.Millisecond))
		default:
			t.Errorf("write: %v", err)
			return
		}
	}
}

func (c *counter) read(t *testing.T, s store, limit time.Duration) (session.Record, error) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rec, err := s.Read(ctx, c.id)
	if err != nil {
		c.calls.Add(1)
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("read: %v", err)
		}
	}
	return rec, err
}

// check compares what is stored with what was confirmed.
func (c *counter) check(t *testing.T, s store) {
	t.Helper()
	var rec session.Record
	eventually(t, "Read", func() (err error) { rec, err = s.Read(t.Context(), c.id); return err })
	n, err := strconv.ParseInt(string(rec.Payload), 10, 64)
	must(t, "the payload", err)
	if acked, unknown := c.acked.Load(), c.unknown.Load(); n < acked || n > acked+unknown {
		t.Errorf("the counter is %d after %d confirmed increases and %d unknown ones", n, acked, unknown)
	}
}

// load increases counters from many goroutines until disturb returns.
func load(t *testing.T, s store, counters []*counter, limit time.Duration, disturb func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range counters {
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						c.increase(t, s, limit)
					}
				}
			})
		}
	}
	disturb()
	close(done)
	wg.Wait()
	for _, c := range counters {
		c.check(t, s)
	}
}

// A server that stalls holds nobody for longer than the deadline, and what it did meanwhile or later breaks nothing.
func testStall(t *testing.T) {
	r := servers.StartRedis(t, nil)
	s := openAsIs(t, r.URL())
	counters := []*counter{newCounter(t, s), newCounter(t, s), newCounter(t, s)}
	load(t, s, counters, 100*time.Millisecond, func() {
		for range 8 {
			time.Sleep(100 * time.Millisecond)
			r.Stop()
			time.Sleep(250 * time.Millisecond)
			r.Continue()
		}
		time.Sleep(100 * time.Millisecond)
	})
	var acked, unknown, calls int64
	for _, c := range counters {
		acked, unknown, calls = acked+c.acked.Load(), unknown+c.unknown.Load(), calls+c.calls.Load()
	}
	t.Logf("%d increases confirmed, %d unknown, %d calls without an answer", acked, unknown, calls)
	if calls == 0 {
		t.Error("every call was answered: the server did not stall")
	}
}

// Each method returns at its deadline while the server stalls, with warm and with new connections, one call or many, and
// works as soon as the server does.
func testStallDeadline(t *testing.T) {
	r := servers.StartRedis(t, nil)
	warm := openAsIs(t, r.URL())
	rec := record(session.Version{1}, "x")
	id := newID()
	must(t, "create", warm.Write(t.Context(), id, rec, session.Version{}))
	r.Stop()
	for name, s := range map[string]store{"warm": warm, "cold": openAsIs(t, r.URL())} {
		for _, callers := range []int{1, 200} {
			for _, limit := range []time.Duration{60 * time.Millisecond, 400 * time.Millisecond} {
				late := lateness(t, s, id, rec, callers, limit)
				for try := 1; try < 6 && late > 50*time.Millisecond; try++ { // the machine may have been busy
					late = min(late, lateness(t, s, id, rec, callers, limit))
				}
				t.Logf("%s, %d callers: at most %v after the deadline of %v", name, callers, late, limit)
				if late > 50*time.Millisecond {
					t.Errorf("%s, %d callers: a call returned %v after its deadline of %v", name, callers, late, limit)
				}
			}
		}
	}
	r.Continue()
	eventually(t, "Ping", func() error { return warm.Ping(t.Context()) })
	eventually(t, "Read", func() error { _, err := warm.Read(t.Context(), id); return err })
}

// lateness makes calls to a server that stalls, and returns how long after its deadline the last one returned.
func lateness(t *testing.T, s store, id session.ID, rec session.Record, callers int, limit time.Duration) time.Duration {
	late := make(chan time.Duration, callers)
	for i := range callers {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			deadline, _ := ctx.Deadline()
			var err error
			switch i % 5 {
			case 0:
				_, err = s.Read(ctx, id)
			case 1:
				err = s.Write(ctx, newID(), rec, session.Version{})
			case 2:
				err = s.Touch(ctx, id, rec)
			case 3:
				err = s.Destroy(ctx, newID())
			case 4:
				err = s.Ping(ctx)
			}
			if !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("a server that stalls: got error %v", err)
			}
			late <- time.Since(deadline)
		}()
	}
	worst := -limit
	for range callers {
		worst = max(worst, <-late)
	}
	return worst
}

// A server that was killed comes back with what it had confirmed, and the Store finds it by itself.
func testKill(t *testing.T) {
	r := servers.StartRedis(t, &servers.RedisOptions{Config: []string{"appendonly yes", "appendfsync always"}})
	s := openAsIs(t, r.URL())
	counters := []*counter{newCounter(t, s), newCounter(t, s)}
	load(t, s, counters, 300*time.Millisecond, func() {
		for range 3 {
			time.Sleep(200 * time.Millisecond)
			r.Kill()
			time.Sleep(200 * time.Millisecond)
			r.Restart()
		}
		begin := time.Now()
		eventually(t, "Ping", func() error { return s.Ping(t.Context()) })
		t.Logf("works %v after the last restart", time.Since(begin).Round(time.Millisecond))
	})
	if counters[0].calls.Load() == 0 {
		t.Error("every call was answered: the server was not gone")
	}
}

// A server that forgets its scripts again and again gets them again, within the same call.
func testScriptFlush(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	counters := []*counter{newCounter(t, s), newCounter(t, s)}
	load(t, s, counters, 10*time.Second, func() {
		for range 300 {
			must(t, "SCRIPT FLUSH", r.Admin().ScriptFlush(t.Context()).Err())
			time.Sleep(time.Millisecond)
		}
	})
	for _, c := range counters {
		if c.calls.Load() > 0 || c.unknown.Load() > 0 || c.acked.Load() == 0 {
			t.Errorf("%d increases confirmed, %d unknown, %d calls failed", c.acked.Load(), c.unknown.Load(), c.calls.Load())
		}
	}
	if evals := commands(t, r)["eval"]; evals == 0 {
		t.Error("no script was sent again")
	}
}
