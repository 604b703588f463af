package fallback_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/session"
)

// What happens is told once, in order, and whoever hears it may ask the Store.
func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var heard []string
		var n int // events
		var node atomic.Pointer[fallback.Store]
		s := newSite(t, fallback.Options{Observe: func(ev fallback.Event) {
			if s := node.Load(); s != nil {
				_ = s.Status()
			}
			mu.Lock()
			defer mu.Unlock()
			n++
			if text := ev.Kind.String() + " " + ev.Store; !slices.Contains(heard, text) { // there are two nodes
				heard = append(heard, text)
			}
		}})
		defer s.close()
		node.Store(s.nodes[0])
		id := session.ID{1}
		first := s.write(0, id, session.Record{}, m{"a": "1"})
		s.expect("before", id, m{"a": "1"})
		s.away(s.fast, s.durable)
		s.write(0, id, first, m{"a": "2"})
		s.write(1, id, first, m{"a": "3"})
		s.back()
		time.Sleep(time.Second)
		mu.Lock()
		told := n
		mu.Unlock()
		time.Sleep(5 * time.Minute) // the dead letter stays, and is no news
		mu.Lock()
		defer mu.Unlock()
		if n != told {
			t.Errorf("%d events while nothing happened", n-told)
		}
		slices.Sort(heard)
		heard = slices.DeleteFunc(heard, func(text string) bool { return text == "past " }) // chance decides which store is back first
		if want := []string{"believed ", "branched ", "carried-back ", "dead-letter ", "down durable", "down fast", "up durable", "up fast"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
}
