package fallback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// work begins what a visitor does.
func (s *simulation) work(n *node) {
	s.tries++
	what := fmt.Sprintf("%d.%d", n.index, s.tries)
	switch s.rnd.IntN(20) {
	case 0:
		s.begin(n, "destroy "+what, func(ctx context.Context) { s.destroy(ctx, n) })
	case 1, 2, 3, 4, 5, 6, 7:
		s.begin(n, "look "+what, func(ctx context.Context) { s.look(ctx, n) })
	default:
		s.begin(n, "append "+what, func(ctx context.Context) { s.append(ctx, n, what) })
	}
}

// append adds a word to the session, as the session.Manager would.
func (s *simulation) append(ctx context.Context, n *node, what string) {
	rec, err := n.engine.Read(ctx, s.id)
	for tries := 0; err == nil && tries < 6; tries++ {
		next := s.record(n, rec.Version, strings.TrimSpace(string(rec.Payload)+" "+what))
		err = n.engine.Write(ctx, s.id, next, rec.Version)
		if errors.Is(err, session.ErrUnavailable) { // the Manager repeats it once
			err = n.engine.Write(ctx, s.id, next, rec.Version)
		}
		if err == nil {
			s.acked = append(s.acked, ack{what, n.index, s.now})
			s.logf("node %d has appended %s, version %x", n.index, what, next.Version[:8])
			return
		}
		conflict, ok := errors.AsType[*session.ConflictError](err)
		if !ok || !errors.Is(err, session.ErrConflict) {
			break
		}
		rec, err = conflict.Newest, nil
		if slices.Contains(strings.Fields(string(rec.Payload)), what) {
			return // the answer of the first try was lost, and somebody has written since: whether it counts is not known
		}
	}
	s.logf("node %d has not appended %s: %v", n.index, what, err)
}

func (s *simulation) destroy(ctx context.Context, n *node) {
	s.doubtful = true // the node may die
	err := n.engine.Destroy(ctx, s.id)
	if errors.Is(err, session.ErrUnavailable) {
		err = n.engine.Destroy(ctx, s.id)
	}
	s.logf("node %d destroys: %v", n.index, err)
	if err == nil {
		s.destroyed = append(s.destroyed, ack{"destroyed", n.index, s.now})
	}
}

// look reads the session. What was acknowledged a second before must be there; on the same node at once.
func (s *simulation) look(ctx context.Context, n *node) {
	begin, born := s.now, n.born
	known := slices.Clone(s.acked)
	over := slices.Clone(s.destroyed)
	rec, err := n.engine.Read(ctx, s.id)
	s.logf("node %d reads %q, %v", n.index, rec.Payload, err)
	if err != nil || n.born != born || !s.strict {
		return
	}
	must := func(a ack) bool { return a.node == n.index || a.at.Before(begin.Add(-time.Second)) }
	if slices.ContainsFunc(over, must) {
		s.failf("node %d reads a destroyed session", n.index)
	}
	words := strings.Fields(string(rec.Payload))
	for _, a := range known {
		if must(a) && !slices.Contains(words, a.what) {
			s.failf("node %d misses %s, which node %d has appended %v before", n.index, a.what, a.node, begin.Sub(a.at))
		}
	}
}

// heal ends all misfortune and lets everything come to rest.
func (s *simulation) heal() {
	s.faults = faults{}
	for _, t := range s.tiers {
		t.down = time.Time{}
	}
	for _, n := range s.nodes {
		n.cut = [2]time.Time{}
	}
	for len(s.running) > 0 {
		s.now = s.now.Add(10 * time.Millisecond)
		s.resume(s.running[s.rnd.IntN(len(s.running))])
	}
	for _, t := range s.tiers {
		for _, do := range t.late {
			do()
		}
		t.late = nil
	}
	for round := range 100 {
		settled := true
		for _, n := range s.nodes {
			s.finish(n, "tick", n.engine.Tick)
			settled = settled && n.engine.Settled()
		}
		if settled && round > 2 {
			return
		}
		s.now = s.now.Add(250 * time.Millisecond)
		if round > 20 { // the word of a dead node stands
			s.now = s.now.Add(5 * time.Second)
		}
	}
}

// check looks at what is left. A write that was not acknowledged may still be on its way: it takes effect for everybody with
// the next one.
func (s *simulation) check() {
	stored, err := s.tiers[1].Handler.Read(context.Background(), s.id)
	s.complete("the durable store", stored, err)
	for _, n := range s.nodes {
		if !n.engine.Settled() {
			s.failf("node %d has not come to rest", n.index)
		}
		s.finish(n, "last look", func(ctx context.Context) {
			rec, err := n.engine.Read(ctx, s.id)
			s.complete(fmt.Sprint("node ", n.index), rec, err)
		})
	}
}

// complete fails if something that was acknowledged is not in the session as somebody sees it.
func (s *simulation) complete(who string, rec session.Record, err error) {
	if len(s.destroyed) > 0 {
		if !errors.Is(err, session.ErrNotFound) {
			s.failf("%s has a destroyed session in the end: %v", who, err)
		}
		return
	}
	if err != nil {
		if !s.doubtful || !errors.Is(err, session.ErrNotFound) {
			s.failf("%s has no session in the end: %v", who, err)
		}
		return
	}
	words := strings.Fields(string(rec.Payload))
	for _, a := range s.acked {
		if !slices.Contains(words, a.what) {
			s.failf("%s has lost %s of node %d", who, a.what, a.node)
		}
	}
	slices.Sort(words)
	if n := len(words); len(slices.Compact(words)) != n {
		s.failf("%s has something twice: %q", who, rec.Payload)
	}
}
