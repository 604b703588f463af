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

func NewEngine(fast, durable session.Handler, clock Clock, random io.Reader, r Rules) *Engine {
	e := newEngine(fast, durable, clock, random, func(event) {})
	e.rules = r
	return e
}

func (e *engine) Tick(ctx context.Context) { e.tick(ctx) }

// Settled reports whether the node has read that nobody writes past the cache.
func (e *engine) Settled() bool {
	v := e.current()
	return v.reliable(e.clock.Now()) && e.fastHealth.up() && e.durableHealth.up()
}

// AblatedRules returns rules that leave one part of the protocol out.
func AblatedRules() map[string]Rules {
	return map[string]Rules{
		"write past the cache without a word":     {noWord: true},
		"acknowledge by an old state":             {noFresh: true},
		"tell the cache what is not new any more": {noReread: true},
		"no mark of a destroyed session":          {noMark: true},
		"keep the generation":                     {sameName: true},
		"take a word back at once":                {shortWord: true},
		"let an older copy replace a newer one":   {noNewer: true},
	}
}
