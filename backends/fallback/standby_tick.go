package fallback

import (
	"context"
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// refuses reports whether a session was ended here and not everybody knows yet.
func (s *standby) refuses(id session.ID) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.open[id].ended
}

// pend notes that a session has to be settled.
func (s *standby) pend(id session.ID, ended bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	p, known := s.open[id]
	if !known {
		p.since = s.clock.Now()
	}
	if s.open[id] = (pending{p.turn + 1, p.ended || ended, p.since}); !known && len(s.open) == 1 {
		s.report(Event{Kind: EventBranched})
	}
}

// done notes that it is, unless it has changed since a turn.
func (s *standby) done(id session.ID, turn uint64) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if p, known := s.open[id]; !known || p.turn != turn {
		return
	}
	if delete(s.open, id); len(s.open) == 0 {
		s.report(Event{Kind: EventCarriedBack})
	}
}

// opened is how many sessions have to be settled.
func (s *standby) opened() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.open)
}

// oldest is since when the one that has waited for the longest has to be.
func (s *standby) oldest() time.Time {
	s.lock.Lock()
	defer s.lock.Unlock()
	return oldest(s.open, func(p pending) time.Time { return p.since })
}

// turnOf returns what there is to settle of a session.
func (s *standby) turnOf(id session.ID) pending {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.open[id]
}

// lastOf returns the nodes whose words are to be taken back with ours.
func (s *standby) lastOf() []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return append(slices.Clone(s.gone), s.node)
}

// tick does what nobody waits for. It is to be called every tickEvery.
func (s *standby) tick(ctx context.Context) {
	s.probe(ctx, &s.durableHealth, s.durable)
	s.probe(ctx, &s.fastHealth, s.fast)
	v, err := s.look(ctx)
	if err != nil {
		return
	}
	s.mu.Lock()
	now := s.clock.Now()
	own, until := now.Before(s.until), s.until
	gone := s.dead(v, now)
	s.mu.Unlock()
	s.lock.Lock()
	s.gone = gone
	s.lock.Unlock()
	switch {
	case own && now.Before(until.Add(beatEvery-ownLasts)): // it is fresh
	case own, s.outdated(v), v.Past[s.node] > 0, !s.fastHealth.up(), len(gone) > 0, s.opened() > 0:
		_ = s.giveWord(ctx) // else the next time
	}
}
