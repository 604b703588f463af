package fallback_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// A branch is in the cache although its node had no answer, and went on alone since the cache did not answer any more. What it has
// made of its own branch since is no conflict with that.
func TestAloneAfterLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		id := session.ID{1}
		s.away(s.durable)
		s.fast.After(sessiontest.OpWrite, 1, sessiontest.Fail)
		first := s.record(m{"a": "1"})
		if err := s.nodes[0].Write(t.Context(), id, first, session.Version{}); err == nil {
			t.Fatal("a write whose answer was lost was acknowledged")
		}
		s.away(s.fast)
		if err := s.nodes[0].Write(t.Context(), id, first, session.Version{}); err != nil {
			t.Fatal(err)
		}
		s.fast.Heal()
		time.Sleep(10 * time.Second)
		s.write(0, id, first, m{"a": "2"})
		s.heal()
		s.expect("in the end", id, m{"a": "2"})
	})
}
