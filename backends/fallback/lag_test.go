package fallback_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// The lag grows as long as something is to be carried back, also over a restart, and what two nodes have made of one session is
// counted, whether or not it could be merged.
func TestLagAndConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		id := session.ID{1}
		lag := func(when string, want time.Duration) {
			t.Helper()
			if got := s.nodes[0].Status().Lag.Round(time.Second); got != want {
				t.Errorf("%s: the lag is %v, want %v", when, got, want)
			}
		}
		first := s.write(0, id, session.Record{}, m{"a": "1"})
		s.expect("before", id, m{"a": "1"})
		time.Sleep(time.Minute)
		lag("before", 0)
		s.away(s.fast, s.durable)
		second := s.write(0, id, first, m{"a": "1", "b": "2"})
		s.write(1, id, first, m{"a": "1", "c": "3"})
		time.Sleep(30 * time.Second)
		lag("meanwhile", 31*time.Second) // away has ended a session a second before
		s.write(0, id, second, m{"a": "1", "b": "3"})
		time.Sleep(10 * time.Second)
		lag("and another change", 41*time.Second)
		if err := s.nodes[0].Close(); err != nil {
			t.Error(err)
		}
		s.start(0, fallback.Options{})
		time.Sleep(10 * time.Second)
		lag("after a restart", 51*time.Second)
		s.heal()
		lag("in the end", 0)
		if n := s.nodes[0].Status().Conflicts + s.nodes[1].Status().Conflicts; n != 1 {
			t.Errorf("%d conflicts, want 1", n)
		}
	})
}

// So it is in Standby, for what a node has changed without the fast store.
func TestStandbyLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := sessiontest.NewFaulty(memstore.New(nil))
		s, err := fallback.New(fast, memstore.New(nil), &fallback.Options{Mode: fallback.Standby, Logger: quiet().Logger})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Second)
		id, first := session.ID{1}, made(1, m{"a": "1"})
		if err := s.Write(t.Context(), id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		fail(fast)
		begun := time.Now()
		for s.Write(t.Context(), id, made(2, m{"a": "2"}), first.Version) != nil {
			if time.Sleep(100 * time.Millisecond); time.Since(begun) > time.Minute {
				t.Fatal("the durable store does not take the place of the fast one")
			}
		}
		since := time.Now()
		time.Sleep(20 * time.Second)
		if got := s.Status(); got.Open != 1 || got.Lag < 20*time.Second || got.Lag > time.Since(begun) {
			t.Errorf("after %v: %+v", time.Since(since), got)
		}
		fast.Heal()
		time.Sleep(20 * time.Second)
		if got := s.Status(); got.Open != 0 || got.Lag != 0 {
			t.Errorf("in the end: %+v", got)
		}
	})
}
