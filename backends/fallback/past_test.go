package fallback_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// apart is two nodes on the same stores, each with ways of its own to them.
type apart struct {
	nodes         [2]*fallback.Store
	fast, durable [2]*sessiontest.Faulty
}

func newApart(t *testing.T) *apart {
	return newApartOn(t, func(_ int, durable *sessiontest.Faulty) session.Handler { return lasting{durable} })
}

// newApartOn is newApart with something between each node and the durable store.
func newApartOn(t *testing.T, between func(node int, durable *sessiontest.Faulty) session.Handler) *apart {
	s := new(apart)
	fast, durable := memstore.New(nil), memstore.New(nil)
	for i := range s.nodes {
		s.fast[i], s.durable[i] = sessiontest.NewFaulty(fast), sessiontest.NewFaulty(durable)
		store, err := fallback.New(lasting{s.fast[i]}, between(i, s.durable[i]),
			&fallback.Options{Logger: quiet().Logger, Local: memstore.New(nil)})
		if err != nil {
			t.Fatal(err)
		}
		s.nodes[i] = store
	}
	time.Sleep(time.Second)
	return s
}

func (s *apart) close(t *testing.T) {
	for _, n := range s.nodes {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// lose makes a node lose a store, and waits until it has noticed.
func (s *apart) lose(t *testing.T, node int, store *sessiontest.Faulty) {
	fail(store)
	notice(t, s.nodes[node])
}

func (s *apart) write(t *testing.T, node int, id session.ID, rec session.Record, prev session.Version) {
	t.Helper()
	if err := s.nodes[node].Write(t.Context(), id, rec, prev); err != nil {
		t.Fatalf("node %d: %v", node, err)
	}
}

// split stores a session of which node 0, without the durable store, has a branch with other values then. It returns what both
// were made of.
func (s *apart) split(t *testing.T, id session.ID, values map[string]string) session.Record {
	t.Helper()
	first := made(1, m{"a": "1"})
	s.write(t, 0, id, first, session.Version{})
	s.lose(t, 0, s.durable[0])
	s.write(t, 0, id, made(2, values), first.Version)
	return first
}

func made(n byte, values map[string]string) session.Record {
	return session.Record{Version: session.Version{6: n, 15: 9}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour, Payload: payload(values)}
}

// What a node was told while it writes past the cache is not discarded for a branch that another node, without the durable store,
// has in the cache: it is laid over that, or kept as a letter.
func TestPastTheCacheIsNotDiscarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with, without, want map[string]string
		letters             int64
	}{
		"different keys": {with: m{"a": "1", "c": "2"}, without: m{"a": "1", "b": "3"}, want: m{"a": "1", "b": "3", "c": "2"}},
		"the same key":   {with: m{"a": "2"}, without: m{"a": "3"}, want: m{"a": "3"}, letters: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newApart(t)
				defer s.close(t)
				id, ctx := session.ID{1}, t.Context()
				first := s.split(t, id, c.with)
				s.lose(t, 1, s.fast[1])
				s.write(t, 1, id, made(3, c.without), first.Version)
				s.durable[0].Heal()
				time.Sleep(6 * time.Second)
				if open := s.nodes[0].Status().Open; open != 0 {
					t.Fatalf("%d sessions are to be carried back", open)
				}
				for i, n := range s.nodes {
					if rec, err := n.Read(ctx, id); err != nil || string(rec.Payload) != string(payload(c.want)) {
						t.Errorf("node %d has %q, %v, want %q", i, rec.Payload, err, payload(c.want))
					}
				}
				if n := s.nodes[0].Status().DeadLetters; n != c.letters {
					t.Errorf("%d dead letters, want %d", n, c.letters)
				}
			})
		})
	}
}

// When the durable store was away a moment ago others may have branches in the cache. So a single call of it that fails makes a
// request fail, and not all nodes turn away from the cache.
func TestOneFailureAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newApart(t)
		defer s.close(t)
		id, ctx := session.ID{1}, t.Context()
		first, second := made(1, m{"a": "1"}), made(2, m{"a": "2"})
		if err := s.nodes[0].Write(ctx, id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		s.lose(t, 0, s.durable[0])
		s.durable[0].Heal()
		time.Sleep(6 * time.Second)
		if !s.nodes[0].Status().DurableUp {
			t.Fatal("the durable store is not back")
		}
		s.fast[0].Before(sessiontest.OpWrite, 1, sessiontest.Fail)
		if err := s.nodes[0].Write(ctx, id, second, first.Version); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("the cache could not be told: %v", err)
		}
		if !s.nodes[0].Status().Believed {
			t.Error("the cache is not relied on any more")
		}
		if err := s.nodes[0].Write(ctx, id, second, first.Version); err != nil { // as the Manager does
			t.Errorf("once more: %v", err)
		}
		for i, n := range s.nodes {
			if rec, err := n.Read(ctx, id); err != nil || rec.Version != second.Version {
				t.Errorf("node %d has %x, %v", i, rec.Version, err)
			}
		}
	})
}

// A node stores a change, which is then discarded for a branch that another node has in the cache. Only after that it finds that it
// cannot tell the cache: what it says in the state comes too late for this change, so nobody is told that it is stored.
func TestDiscardedBeforeTheWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newApart(t)
		defer s.close(t)
		id, ctx := session.ID{1}, t.Context()
		first := s.split(t, id, m{"a": "2"})
		s.fast[1].Before(sessiontest.OpWrite, 1, func(context.Context) error {
			s.durable[0].Heal()
			time.Sleep(6 * time.Second)
			return session.ErrUnavailable
		})
		if err := s.nodes[1].Write(ctx, id, made(3, m{"a": "3"}), first.Version); !errors.Is(err, session.ErrConflict) {
			t.Errorf("the change is discarded, and its visitor is told %v", err)
		}
		if rec, err := s.nodes[1].Read(ctx, id); err != nil || string(rec.Payload) != string(payload(m{"a": "2"})) {
			t.Errorf("there is %q, %v", rec.Payload, err)
		}
	})
}

// If it says so just before the change is replaced, its visitor may still have found it there. Then a letter keeps it.
func TestDiscardedAfterTheWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		id, ctx := session.ID{1}, t.Context()
		var last func()
		s := newApartOn(t, func(node int, durable *sessiontest.Faulty) session.Handler {
			return hooked{lasting{durable}, func(rec session.Record) {
				if node == 0 && rec.Version[7] != 0 && last != nil { // the outcome of the merge
					do := last
					last = nil
					do()
				}
			}, id}
		})
		defer s.close(t)
		first := s.split(t, id, m{"a": "2"})
		s.fast[1].Before(sessiontest.OpWrite, 1, func(context.Context) error {
			last = func() {
				s.fast[1].Before(sessiontest.OpWrite, -1, sessiontest.Fail)
				_ = s.nodes[1].Write(ctx, session.ID{2}, first, session.Version{})
			}
			s.durable[0].Heal()
			time.Sleep(6 * time.Second)
			return session.ErrUnavailable
		})
		_ = s.nodes[1].Write(ctx, id, made(3, m{"a": "3"}), first.Version)
		if n := s.nodes[0].Status().DeadLetters; last != nil || n != 1 {
			t.Errorf("%d dead letters, want 1", n)
		}
	})
}

// hooked does something before a session is stored.
type hooked struct {
	lasting
	before func(rec session.Record)
	id     session.ID
}

func (h hooked) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if id == h.id {
		h.before(rec)
	}
	return h.lasting.Write(ctx, id, rec, prev)
}
