package fallback

import (
	"context"
	"io"

	"github.com/nonstick-go/nonstick/core/session"
)

// For the simulation, which runs the protocols themselves.
type (
	Rules = rules
	// Engine is a protocol.
	Engine struct {
		protocol
		e *engine
	}
)

func NewEngine(fast, durable session.Handler, local Local, clock Clock, random io.Reader, r Rules) *Engine {
	e := newEngine(fast, durable, local, clock, random, func(Event) {})
	e.rules = r
	return &Engine{e, e}
}

func NewStandby(fast session.Handler, durable listed, clock Clock, random io.Reader, r Rules) *Engine {
	e := newEngine(fast, durable, nil, clock, random, func(Event) {})
	e.rules = r
	return &Engine{newStandby(e, durable, false), e}
}

func (e *Engine) Tick(ctx context.Context) { e.tick(ctx) }

// Load finds the branches of the node's local store.
func (e *Engine) Load(ctx context.Context) error {
	if e.e.journal == nil {
		return nil
	}
	return e.e.journal.load(ctx)
}

// Drain settles them.
func (e *Engine) Drain(ctx context.Context) { e.drain(ctx, 1) }

// Open is how many there are.
func (e *Engine) Open() int { return e.opened() }

// Patient makes slow calls of the fast store count as any other.
func (e *Engine) Patient() { e.e.fastHealth.slow = 0 }

// FastUp reports whether the fast store counts as there.
func (e *Engine) FastUp() bool { return e.e.fastHealth.up() }

// Merge makes the engine merge payloads in another way.
func (e *Engine) Merge(how func(base, winner, loser []byte) ([]byte, bool, error)) {
	e.e.mergePayload = how
}

// Settled reports whether the node has read that nobody writes past the cache.
func (e *Engine) Settled() bool {
	return e.opened() == 0 && e.believed(e.e.current()) && e.e.durableHealth.up()
}

// IsMark reports whether a record is a mark.
func IsMark(rec session.Record) bool { return isMark(rec) }

// Branched returns what a branch has of a session.
func Branched(rec session.Record) []byte {
	b, err := parseBranch(rec)
	if err != nil || !isBranch(rec) {
		return nil
	}
	return b.rec.Payload
}

// AblatedStandby returns rules that leave one part of Standby out.
func AblatedStandby() map[string]Rules {
	return map[string]Rules{
		"go on without a word":               {noWord: true},
		"leave no tombstone":                 {noMark: true},
		"rely on a store that has gone back": {noSince: true},
		"carry no tombstones":                {noReplay: true},
		"do not wait until all have heard":   {noHeard: true},
	}
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
		"take a word back at once":                {noStay: true},
		"acknowledge by an old state":             {noRecall: true},
	}
}
