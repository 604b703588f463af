package fallback_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// vanishing is a store that fails for good after so many writes of a session, the last of which is stored without an answer.
type vanishing struct {
	lasting
	id   session.ID
	left *atomic.Int64
}

func (v vanishing) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := v.lasting.Write(ctx, id, rec, prev)
	if id != v.id || err != nil || v.left.Add(-1) != 0 {
		return err
	}
	fail(v.Faulty)
	return session.ErrUnavailable
}

// A branch is merged with what somebody else has stored, and the node that does so loses the durable store before it can say so.
// The branch goes on; what is removed from it then is not there again because the durable store has it from the first merge.
func TestMergedTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alone               bool     // no node reaches the cache
		left                [2]int64 // writes of each node until the store vanishes
		branch, other, want m
	}{
		"by another node, of what all share": {left: [2]int64{1: 2},
			branch: m{"a": "1", "b": "2"}, other: m{"a": "1", "c": "3"}, want: m{"a": "1", "c": "3"}},
		"by another node, which is discarded": {left: [2]int64{1: 2},
			branch: m{"a": "4", "b": "2"}, other: m{"a": "5", "c": "3"}, want: m{"a": "4"}},
		"by the only one that has it": {alone: true, left: [2]int64{0: 1},
			branch: m{"a": "1", "b": "2"}, other: m{"a": "1", "c": "3"}, want: m{"a": "1", "c": "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				id, ctx := session.ID{1}, t.Context()
				var left [2]atomic.Int64
				s := newApartOn(t, func(node int, durable *sessiontest.Faulty) session.Handler {
					return vanishing{lasting{durable}, id, &left[node]}
				})
				defer s.close(t)

				root := made(1, m{"a": "1"})
				s.write(t, 0, id, root, session.Version{})
				if _, err := s.nodes[1].Read(ctx, id); err != nil {
					t.Fatal(err)
				}
				if c.alone {
					for i := range s.nodes {
						fail(s.fast[i])
					}
					s.lose(t, 1, s.durable[1])
				}
				s.lose(t, 0, s.durable[0])
				s.write(t, 0, id, made(2, c.branch), root.Version)
				for i := range left {
					left[i].Store(c.left[i])
				}
				err := s.nodes[1].Write(ctx, id, made(3, c.other), root.Version)
				if c.alone {
					if err != nil {
						t.Fatal(err)
					}
					s.durable[1].Heal()
					time.Sleep(10 * time.Second)
					s.durable[0].Heal()
					time.Sleep(10 * time.Second)
					notice(t, s.nodes[0])
				} else if err == nil {
					t.Fatal("the store has vanished, and nobody has noticed")
				}
				if n := left[0].Load() + left[1].Load(); n > 0 {
					t.Fatalf("%d writes are missing", n)
				}

				seen, err := s.nodes[0].Read(ctx, id)
				if err != nil {
					t.Fatal(err)
				}
				rest := m{"a": c.want["a"]}
				if bytes.Contains(seen.Payload, payload(m{"c": "3"})) {
					rest["c"] = "3"
				}
				s.write(t, 0, id, made(100, rest), seen.Version)
				for i := range s.nodes {
					s.fast[i].Heal()
					s.durable[i].Heal()
				}
				time.Sleep(20 * time.Second)
				for i, n := range s.nodes {
					rec, err := n.Read(ctx, id)
					if want := payload(c.want); err != nil || string(rec.Payload) != string(want) {
						t.Errorf("node %d has %q, %v, want %q", i, rec.Payload, err, want)
					}
				}
			})
		})
	}
}
