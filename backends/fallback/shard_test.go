package fallback_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// cluster is a store of two halves, of which the one with the odd keys may stand still.
type cluster struct {
	*memstore.Store
	stalled atomic.Bool
	reads   atomic.Int64
}

func (c *cluster) Close() error { return nil }

func (c *cluster) wait(id session.ID) error {
	if id[0]%2 == 0 || !c.stalled.Load() {
		return nil
	}
	time.Sleep(250 * time.Millisecond)
	return session.ErrUnavailable
}

func (c *cluster) Read(ctx context.Context, id session.ID) (session.Record, error) {
	c.reads.Add(1)
	if err := c.wait(id); err != nil {
		return session.Record{}, err
	}
	return c.Store.Read(ctx, id)
}

func (c *cluster) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if err := c.wait(id); err != nil {
		return err
	}
	return c.Store.Write(ctx, id, rec, prev)
}

func (c *cluster) Destroy(ctx context.Context, id session.ID) error {
	if err := c.wait(id); err != nil {
		return err
	}
	return c.Store.Destroy(ctx, id)
}

func (c *cluster) Ping(context.Context) error { return c.wait(session.ID{1}) }

// When one master of a cluster stands still, its visitors wait for it a few times, and nobody does after that, though the others
// answer all the time and nothing is written. It is asked again when all of them answer.
func TestOneMasterStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := &cluster{Store: memstore.New(nil)}
		s, err := fallback.New(fast, shared{memstore.New(nil)}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Second)
		ids := make([]session.ID, 64)
		for i := range ids {
			ids[i] = session.ID{byte(i), 1}
			if err := s.Write(t.Context(), ids[i], made(byte(i+1), m{"a": "1"}), session.Version{}); err != nil {
				t.Fatal(err)
			}
		}
		// round has everybody read once, and returns how many waited for the fast store, and how many asked it.
		round := func() (waited int, asked int64) {
			before := fast.reads.Load()
			for _, id := range ids {
				begin := time.Now()
				if _, err := s.Read(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if time.Since(begin) > 0 {
					waited++
				}
			}
			return waited, fast.reads.Load() - before
		}
		if waited, asked := round(); waited != 0 || asked != int64(len(ids)) {
			t.Fatalf("while all is well %d waited, %d asked the fast store", waited, asked)
		}
		fast.stalled.Store(true)
		if waited, _ := round(); waited == 0 || waited > 5 {
			t.Fatalf("%d waited for the master that stands still", waited)
		}
		for range 20 {
			if waited, asked := round(); waited+int(asked) != 0 {
				t.Fatalf("%d waited, %d asked the fast store although it counts as away", waited, asked)
			}
			time.Sleep(time.Second)
		}
		fast.stalled.Store(false)
		time.Sleep(10 * time.Second)
		round() // fills it
		if waited, asked := round(); waited != 0 || asked != int64(len(ids)) {
			t.Fatalf("when it is back %d waited, %d asked the fast store", waited, asked)
		}
	})
}

// unproved is a store that has the method to prove itself, and no way to.
type unproved struct{ *sessiontest.Faulty }

func (unproved) Ping(context.Context) error { return errors.ErrUnsupported }

// A store that cannot prove itself after all is tried with a session, and so comes back.
func TestUnprovedComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := unproved{sessiontest.NewFaulty(memstore.New(nil))}
		s, err := fallback.New(fast, memstore.New(nil), quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Second)
		fail(fast.Faulty)
		notice(t, s)
		time.Sleep(4 * time.Second) // until a probe has failed
		if s.Status().FastUp {
			t.Fatal("the fast store is not found out")
		}
		fast.Heal()
		time.Sleep(20 * time.Second)
		if st := s.Status(); !st.FastUp || !st.Believed {
			t.Errorf("the fast store does not come back: %+v", st)
		}
	})
}
