package fallback_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// 10,000 sessions that one node has changed without MariaDB are all there when it is back, and the node has nothing left to
// carry. How long that takes is logged.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]bool{"with Redis": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, nil)
			node := s.nodes[0]
			all := make([]drained, 10_000)
			for i := range all {
				_, _ = rand.Read(all[i].id[:]) // never fails
			}
			s.each(all, func(ctx context.Context, i int) error {
				return all[i].change(ctx, node.store)
			})
			s.maria.Kill()
			if !redis {
				s.redis.Kill()
			}
			s.until("MariaDB is known to be away", func() bool {
				_ = all[0].change(t.Context(), node.store)
				return !node.store.Status().DurableUp
			})
			begin := time.Now()
			s.each(all, func(ctx context.Context, i int) error {
				return all[i].change(ctx, node.store)
			})
			t.Logf("%d sessions changed in %v", len(all), time.Since(begin).Round(time.Millisecond))
			if open := node.store.Status().Open; open != len(all) {
				t.Errorf("%d sessions are to be carried back, want %d", open, len(all))
			}
			s.maria.Restart()
			begin = time.Now()
			s.until("MariaDB is known to be back", func() bool { return node.store.Status().DurableUp })
			noticed := time.Since(begin)
			s.until("all is carried back", func() bool { return node.store.Status().Open == 0 })
			took := time.Since(begin) - noticed
			t.Logf("noticed after %v, and carried back in %v, %.0f a second", noticed.Round(time.Millisecond), took.Round(time.Millisecond),
				float64(len(all))/took.Seconds())
			durable, err := mysqlstore.Open(s.maria.URL())
			s.must(err)
			defer durable.Close()
			s.each(all, func(ctx context.Context, i int) error { return all[i].compare(ctx, durable) })
			if letters := node.store.Status().DeadLetters; letters > 0 {
				t.Errorf("%d dead letters", letters)
			}
		})
	}
}

// drained is a session and what was acknowledged last.
type drained struct {
	id        session.ID
	rec, next session.Record // acknowledged, and under way
	changes   int
}

// change stores something new. If the outcome of the last time is not known, it is the same again.
func (d *drained) change(ctx context.Context, s session.Handler) error {
	if d.next.Version == d.rec.Version {
		now := time.Now()
		d.changes++
		d.next = session.Record{Created: now, Seen: now, TTL: time.Hour, Payload: fmt.Appendf(nil, "change %d", d.changes)}
		_, _ = rand.Read(d.next.Version[:]) // never fails
		binary.BigEndian.PutUint64(d.next.Version[:], uint64(now.UnixNano()))
	}
	err := s.Write(ctx, d.id, d.next, d.rec.Version)
	if err == nil {
		d.rec = d.next
	}
	return err
}

// compare looks at what a store has.
func (d *drained) compare(ctx context.Context, s session.Handler) error {
	rec, err := s.Read(ctx, d.id)
	if err == nil && (rec.Version != d.rec.Version || string(rec.Payload) != string(d.rec.Payload)) {
		err = fmt.Errorf("MariaDB has %q, acknowledged was %q", rec.Payload, d.rec.Payload)
	}
	return err
}

// each does something with all sessions, 32 at a time, and again what was not possible.
func (s *site) each(all []drained, do func(ctx context.Context, i int) error) {
	s.t.Helper()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(all) && !s.t.Failed(); i = next.Add(1) - 1 {
				var err error
				for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(time.Millisecond) {
					ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
					err = do(ctx, int(i))
					cancel()
					if !errors.Is(err, session.ErrUnavailable) {
						break
					}
				}
				if err != nil {
					s.t.Errorf("session %d: %v", i, err)
				}
			}
		})
	}
	workers.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// until waits for something.
func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	for begin := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			s.t.Fatalf("not within two minutes: %s", what)
		}
	}
}
