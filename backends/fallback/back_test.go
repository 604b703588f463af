package fallback_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// busy is a store that takes its time once it is told to.
type busy struct {
	session.Handler
	takes *atomic.Int64
}

func (b busy) Read(ctx context.Context, id session.ID) (session.Record, error) {
	time.Sleep(time.Duration(b.takes.Load()))
	return b.Handler.Read(ctx, id)
}

// twoBusy is two nodes with a fast store that is well, and a durable one that takes its time.
type twoBusy struct {
	nodes [2]*fallback.Store
	ways  [2]*sessiontest.Faulty // to the durable store
	takes atomic.Int64
}

func newTwoBusy(t *testing.T) *twoBusy {
	fast, durable := memstore.New(nil), memstore.New(nil)
	s := new(twoBusy)
	for i := range s.nodes {
		s.ways[i] = sessiontest.NewFaulty(durable)
		node, err := fallback.New(shared{fast}, busy{s.ways[i], &s.takes}, &fallback.Options{Logger: quiet().Logger, Local: memstore.New(nil)})
		if err != nil {
			t.Fatal(err)
		}
		s.nodes[i] = node
	}
	time.Sleep(time.Second)
	return s
}

func (s *twoBusy) close(t *testing.T) {
	for i, n := range s.nodes {
		s.ways[i].Heal()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A session that began while the durable store was away is in the cache alone until somebody tells that store. A node that has not
// seen it, and reaches a durable store that is back and busy, does not say that it does not exist before it has read that
// the cache is to be believed.
func TestBackAndBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTwoBusy(t)
		defer s.close(t)
		for i, n := range s.nodes {
			fail(s.ways[i])
			notice(t, n)
		}
		time.Sleep(2 * time.Second)
		id, first := session.ID{1}, made(1, m{"a": "1"})
		if err := s.nodes[0].Write(t.Context(), id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		s.takes.Store(int64(50 * time.Millisecond))
		s.ways[1].Heal() // node 0 does not reach it, and cannot tell it
		for range 20 * 1000 {
			if _, err := s.nodes[1].Read(t.Context(), id); err != nil {
				t.Fatalf("after %v: %v, %+v", time.Since(first.Created), err, s.nodes[1].Status())
			}
			if s.nodes[1].Status().DurableUp && s.nodes[1].Status().Believed {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !s.nodes[1].Status().DurableUp {
			t.Error("the durable store is not back")
		}
	})
}

// Nor does a node read past what another one has changed in the cache alone because the state is too old by the time at which
// it has been read.
func TestBusyForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTwoBusy(t)
		defer s.close(t)
		id, first, second := session.ID{1}, made(1, m{"a": "1"}), made(2, m{"a": "2"})
		if err := s.nodes[1].Write(t.Context(), id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		fail(s.ways[0])
		notice(t, s.nodes[0])
		if err := s.nodes[0].Write(t.Context(), id, second, first.Version); err != nil {
			t.Fatal(err)
		}
		s.takes.Store(int64(1500 * time.Millisecond))
		time.Sleep(3 * time.Second) // node 1 has nothing that it could rely on
		time.AfterFunc(time.Second, func() { s.takes.Store(0) })
		begin := time.Now()
		rec, err := s.nodes[1].Read(t.Context(), id)
		if err != nil || string(rec.Payload) != string(second.Payload) {
			t.Errorf("after %v: got %q and error %v, want %q", time.Since(begin), rec.Payload, err, second.Payload)
		}
	})
}
