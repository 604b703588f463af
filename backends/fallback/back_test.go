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
	slow *atomic.Bool
}

func (b busy) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if b.slow.Load() {
		time.Sleep(50 * time.Millisecond)
	}
	return b.Handler.Read(ctx, id)
}

// A session that began while the durable store was away is in the cache alone until somebody tells that store. A node that has not
// seen it, and reaches a durable store that is back and busy, does not say that it does not exist before it has read that
// the cache is to be believed.
func TestBackAndBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast, durable := memstore.New(nil), memstore.New(nil)
		var slow atomic.Bool
		var nodes [2]*fallback.Store
		var ways [2]*sessiontest.Faulty
		for i := range nodes {
			ways[i] = sessiontest.NewFaulty(durable)
			s, err := fallback.New(shared{fast}, busy{ways[i], &slow}, &fallback.Options{Logger: quiet().Logger, Local: memstore.New(nil)})
			if err != nil {
				t.Fatal(err)
			}
			nodes[i] = s
		}
		defer func() {
			for _, n := range nodes {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		time.Sleep(time.Second)
		for i, n := range nodes {
			fail(ways[i])
			notice(t, n)
		}
		time.Sleep(2 * time.Second)
		id, first := session.ID{1}, made(1, m{"a": "1"})
		if err := nodes[0].Write(t.Context(), id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		ways[1].Heal() // node 0 does not reach it, and cannot tell it
		for range 20 * 1000 {
			if _, err := nodes[1].Read(t.Context(), id); err != nil {
				t.Fatalf("after %v: %v, %+v", time.Since(first.Created), err, nodes[1].Status())
			}
			if nodes[1].Status().DurableUp && nodes[1].Status().Believed {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !nodes[1].Status().DurableUp {
			t.Error("the durable store is not back")
		}
		ways[0].Heal()
		time.Sleep(10 * time.Second)
	})
}
