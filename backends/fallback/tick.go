package fallback

import (
	"context"
	"time"
)

// lastBeat is when another node said last that it writes past the cache.
type lastBeat struct {
	count uint64
	at    time.Time
}

// tick does what nobody waits for: it reads the state, probes stores that are away, and keeps words and takes them back. It
// is to be called every tickEvery.
func (e *engine) tick(ctx context.Context) {
	e.probe(ctx, &e.durableHealth, e.durable)
	e.probe(ctx, &e.fastHealth, e.fast)
	v, err := e.look(ctx)
	if err != nil {
		return
	}
	e.mu.Lock()
	now := e.clock.Now()
	own, since, until := now.Before(e.until), e.since, e.until
	dead := e.dead(v, now)
	e.mu.Unlock()
	switch {
	case own && e.fastHealth.up() && (e.rules.noStay || !now.Before(since.Add(wordLasts))):
		if err := e.prove(ctx, &e.fastHealth, e.fast); err == nil {
			_ = e.takeBack(ctx, e.node)
		} else if e.fastHealth.refuted(now) {
			e.report(Event{Kind: EventDown, Store: e.fastHealth.name, Err: err})
		}
	case own && now.Before(until.Add(beatEvery-ownLasts)): // it is fresh
	case own, e.outdated(v), v.Past[e.node] > 0: // also if it is there and we do not know why: an answer was lost
		_ = e.giveWord(ctx)
	}
	if len(dead) > 0 {
		_ = e.takeBack(ctx, dead...)
	}
}

// tickEvery is short enough for a node to read the state several times while it relies on it.
const tickEvery = trust / 4

// dead returns the nodes that have not repeated their words for too long.
func (e *engine) dead(v view, now time.Time) (nodes []string) {
	for node := range e.beats {
		if v.Past[node] == 0 {
			delete(e.beats, node)
		}
	}
	for node, count := range v.Past {
		switch last, ok := e.beats[node]; {
		case node == e.node:
		case !ok || last.count != count:
			e.beats[node] = lastBeat{count, now}
		case now.Sub(last.at) > deadAfter:
			nodes = append(nodes, node)
		}
	}
	return nodes
}
