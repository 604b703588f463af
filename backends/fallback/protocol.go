package fallback

import (
	"context"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// protocol is what the modes differ in.
type protocol interface {
	Read(ctx context.Context, id session.ID) (session.Record, error)
	Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error
	Touch(ctx context.Context, id session.ID, rec session.Record) error
	Destroy(ctx context.Context, id session.ID) error
	session.Locker

	tick(ctx context.Context)
	drain(ctx context.Context, workers int)
	opened() int                       // how many sessions are to be carried back
	oldest() time.Time                 // since when the first of them is; zero if there is none
	believed(v view) bool              // sessions are read from the fast store
	serves(v view) bool                // sessions are served and changed
	main() (*breaker, session.Handler) // the store that has the sessions
}

func (e *engine) opened() int { return e.journal.len() }

func (e *engine) oldest() time.Time { return e.journal.oldest() }

func (e *engine) believed(v view) bool {
	return e.fastHealth.up() && v.reliable(e.clock.Now()) && !e.outdated(v)
}

func (e *engine) serves(v view) bool {
	return e.durableHealth.up() || e.journal != nil && (e.usable(v) || !e.requireShared)
}

func (e *engine) main() (*breaker, session.Handler) { return &e.durableHealth, e.durable }

func (s *standby) believed(v view) bool { return s.calm(v) }

func (s *standby) serves(v view) bool {
	return s.durableHealth.up() || s.fastHealth.up() && s.vouched(v)
}

func (s *standby) main() (*breaker, session.Handler) {
	if s.fastHealth.up() || !s.durableHealth.up() {
		return &s.fastHealth, s.fast
	}
	return &s.durableHealth, s.durable
}
