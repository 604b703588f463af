package fallback

import (
	"context"
	"io"

	"github.com/nonstick-go/nonstick/core/session"
)

// For the simulation, which runs the engine itself.
type (
	Engine = engine
	Rules  = rules
)

func NewEngine(fast, durable session.Handler, local Local, clock Clock, random io.Reader, r Rules) *Engine {
	e := newEngine(fast, durable, local, clock, random, func(Event) {})
	e.rules = r
	return e
}

func (e *engine) Tick(ctx context.Context) { e.tick(ctx) }

// Load finds the branches of the node's local store.
func (e *engine) Load(ctx context.Context) error { return e.journal.load(ctx) }

// Drain settles them.
func (e *engine) Drain(ctx context.Context) { e.drain(ctx, 1) }

// Open is how many there are.
func (e *engine) Open() int { return e.journal.len() }

// Patient makes slow calls of the fast store count as any other.
func (e *engine) Patient() { e.fastHealth.slow = 0 }

// FastUp reports whether the fast store counts as there.
func (e *engine) FastUp() bool { return e.fastHealth.up() }

// Merge makes the engine merge payloads in another way.
func (e *engine) Merge(how func(base, winner, loser []byte) ([]byte, bool, error)) {
	e.mergePayload = how
}

// Settled reports whether the node has read that nobody writes past the cache.
func (e *engine) Settled() bool {
	v := e.current()
	return e.journal.len() == 0 && v.reliable(e.clock.Now()) && !e.outdated(v) && e.fastHealth.up() && e.durableHealth.up()
}

// AblatedRules returns rules that leave one part of the protocol out.
func AblatedRules() map[string]Rules {
	return map[string]Rules{
		"write past the cache without a word":     {noWord: true},
		"tell the cache what is not new any more": {noReread: true},
		"no mark of a destroyed session":          {noMark: true},
		"keep the generation":                     {sameName: true},
		"acknowledge what only the cache has":     {noKeep: true},
		"let a branch win that has grown since":   {noAgain: true},
		"leave no note of an end":                 {noNote: true},
		"put something over a branch":             {noTell: true},
		"believe a cache that has restarted":      {noSince: true},
		"let an older copy replace a newer one":   {noNewer: true},
	}
}
