package fallback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/session"
)

// work begins what a visitor does.
func (s *simulation) work(n *node) {
	s.tries++
	what := fmt.Sprintf("%d.%d", n.index, s.tries)
	if !s.begun {
		s.begun = true
		s.begin(n, creating, func(ctx context.Context) { s.create(ctx, n) })
	}
	if !s.created {
		return
	}
	switch s.rnd.IntN(20) {
	case 0:
		s.begin(n, "destroy "+what, func(ctx context.Context) { s.destroy(ctx, n) })
	case 1:
		s.begin(n, "pop "+what, func(ctx context.Context) { s.pop(ctx, n) })
	case 2, 3, 4, 5, 6, 7:
		s.begin(n, "look "+what, func(ctx context.Context) { s.look(ctx, n) })
	default:
		s.begin(n, "append "+what, func(ctx context.Context) { s.append(ctx, n, what) })
	}
}

// creating is the name of the task that creates the session. Its calls are not made late: an id is drawn once, and known to
// nobody before it is stored, so nobody could have destroyed it by then.
const creating = "create"

// create stores the session for the first time.
func (s *simulation) create(ctx context.Context, n *node) {
	rec := s.record(n, session.Version{}, "")
	err := n.engine.Write(ctx, s.id, rec, session.Version{})
	if errors.Is(err, session.ErrUnavailable) {
		err = n.engine.Write(ctx, s.id, rec, session.Version{})
	}
	s.logf("node %d creates: %v", n.index, err)
	s.created = s.created || err == nil
}

// append adds a word to the session.
func (s *simulation) append(ctx context.Context, n *node, what string) {
	s.change(ctx, n, "append "+what, func(words []string) ([]string, bool) {
		if slices.Contains(words, what) {
			return nil, false // the answer of the first try was lost, and somebody has written since: whether it counts is not known
		}
		return append(words, what), true
	}, func(inVain []session.Version) {
		s.acked = append(s.acked, ack{what, n.index, s.now, s.shared(what)})
		s.inVain[what] = inVain
	})
}

// shared reports whether the durable store of Standby has a word, where all nodes look first by then.
func (s *simulation) shared(what string) bool {
	if !s.standby || s.lossy {
		return false
	}
	rec, err := s.tiers[1].Handler.Read(context.Background(), s.id)
	return err == nil && slices.Contains(strings.Fields(string(fallback.Branched(rec))), what)
}

// pop removes one of the words that somebody has appended.
func (s *simulation) pop(ctx context.Context, n *node) {
	var what string
	var certain bool // whoever appended it has been told so, and does not try again
	s.change(ctx, n, "pop", func(words []string) ([]string, bool) {
		if what == "" && len(words) > 0 {
			what = words[s.rnd.IntN(len(words))]
			s.perhaps[what] = true
			certain = slices.ContainsFunc(s.acked, func(a ack) bool { return a.what == what })
		}
		i := slices.Index(words, what)
		if i < 0 {
			return nil, false
		}
		return slices.Delete(words, i, i+1), true
	}, func([]session.Version) {
		if certain {
			s.popped = append(s.popped, ack{what: what, node: n.index, at: s.now})
		}
	})
}

// change changes the words of the session, as the session.Manager would.
func (s *simulation) change(ctx context.Context, n *node, name string, edit func(words []string) ([]string, bool), done func(inVain []session.Version)) {
	var inVain []session.Version
	rec, err := n.engine.Read(ctx, s.id)
	for tries := 0; err == nil && tries < 6; tries++ {
		words, ok := edit(strings.Fields(string(rec.Payload)))
		if !ok {
			return
		}
		next := s.record(n, rec.Version, strings.Join(words, " "))
		err = n.engine.Write(ctx, s.id, next, rec.Version)
		if errors.Is(err, session.ErrUnavailable) { // the Manager repeats it once
			err = n.engine.Write(ctx, s.id, next, rec.Version)
		}
		if err == nil {
			done(inVain)
			s.logf("node %d: %s, version %x, %q", n.index, name, next.Version[:8], words)
			return
		}
		conflict, ok := errors.AsType[*session.ConflictError](err)
		if !ok || !errors.Is(err, session.ErrConflict) {
			break
		}
		inVain = append(inVain, next.Version)
		rec, err = conflict.Newest, nil
	}
	s.logf("node %d fails: %s: %v", n.index, name, err)
}

func (s *simulation) destroy(ctx context.Context, n *node) {
	if _, err := n.engine.Read(ctx, s.id); err != nil {
		return // the Manager ends what it has found
	}
	s.doubtful = true // the node may die
	returned := false
	defer func() { s.halfway = s.halfway || !returned }()
	err := n.engine.Destroy(ctx, s.id)
	if errors.Is(err, session.ErrUnavailable) {
		err = n.engine.Destroy(ctx, s.id)
	}
	returned = true
	s.logf("node %d destroys: %v", n.index, err)
	if err == nil {
		s.destroyed = append(s.destroyed, ack{what: "destroyed", node: n.index, at: s.now})
	}
}

// look reads the session. What was acknowledged a second before must be there; on the same node at once.
func (s *simulation) look(ctx context.Context, n *node) {
	begin, born := s.now, n.born
	known := slices.Clone(s.acked)
	over := slices.Clone(s.destroyed)
	rec, err := n.engine.Read(ctx, s.id)
	s.logf("node %d reads %q, %v", n.index, rec.Payload, err)
	if errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrExists) {
		s.failf("node %d reads, and is told of a conflict", n.index)
	}
	if n.born != born || !s.strict {
		return
	}
	if errors.Is(err, session.ErrNotFound) && len(s.destroyed) == 0 && !s.doubtful && !s.lossy {
		for _, a := range known {
			if a.node == n.index || a.at.Before(begin.Add(-time.Second)) {
				s.failf("node %d does not find the session, to which node %d has appended %v before", n.index, a.node, begin.Sub(a.at))
			}
		}
	}
	if err != nil {
		return
	}
	must := func(a ack) bool { return a.node == n.index || a.at.Before(begin.Add(-time.Second)) }
	if slices.ContainsFunc(over, must) {
		s.failf("node %d reads a destroyed session", n.index)
	}
	words := strings.Fields(string(rec.Payload))
	for _, a := range known {
		if (must(a) && !s.standby || a.seen) && !slices.Contains(words, a.what) && !s.perhaps[a.what] {
			s.failf("node %d misses %s, which node %d has appended %v before", n.index, a.what, a.node, begin.Sub(a.at))
		}
	}
}

// heal ends all misfortune and lets everything come to rest.
func (s *simulation) heal() {
	s.faults = faults{}
	for _, t := range s.tiers {
		t.down, t.half = time.Time{}, time.Time{}
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
			if s.standby { // who looks at a session notices that the fast store has gone back
				s.finish(n, "look", func(ctx context.Context) { _, _ = n.engine.Read(ctx, s.id) })
			}
			s.finish(n, "tick", n.engine.Tick)
			s.finish(n, "drain", n.engine.Drain)
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
	main := 1
	if s.standby {
		main = 0
	}
	stored, err := s.tiers[main].Handler.Read(context.Background(), s.id)
	if fallback.IsMark(stored) {
		stored, err = session.Record{}, session.ErrNotFound
	}
	s.complete("the store that has the sessions", stored, err)
	for _, n := range s.nodes {
		if !n.engine.Settled() {
			s.failf("node %d has not come to rest, %d branches are open", n.index, n.engine.Open())
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
	if s.lossy || s.standby && s.halfway { // the fast store may have lost it, and another node gone on with what it had seen
		return
	}
	if err != nil {
		if s.created && !s.doubtful || !errors.Is(err, session.ErrNotFound) {
			s.failf("%s has no session in the end: %v", who, err)
		}
		return
	}
	words := strings.Fields(string(rec.Payload))
	for _, a := range s.acked {
		if !slices.Contains(words, a.what) && !s.perhaps[a.what] {
			s.failf("%s has lost %s of node %d", who, a.what, a.node)
		}
	}
	for _, a := range s.popped {
		if s.single && slices.Contains(words, a.what) && !slices.ContainsFunc(s.inVain[a.what], func(v session.Version) bool { return s.made[v] }) {
			s.failf("%s still has %s, which node %d has removed", who, a.what, a.node)
		}
	}
	slices.Sort(words)
	if n := len(words); len(slices.Compact(words)) != n {
		s.failf("%s has something twice: %q", who, rec.Payload)
	}
}
