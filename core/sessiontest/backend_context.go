package sessiontest

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func contextCases() []backendCase {
	return []backendCase{
		{"context-ended",
			"A method returns promptly when ctx ends, with an error that says nothing about the session.",
			contextEnded},
		{"context-ends",
			"A method returns promptly when ctx ends in its midst, and never takes that for an absent session.",
			contextEnds},
	}
}

// call is one call of a method of the contract, on a session of its own.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// calls returns one call of each method, all of which succeed if h works.
func (p *probe) calls(h session.Handler, id session.ID, rec session.Record) []call {
	changed := p.next(rec, "changed")
	calls := []call{
		{"Read", func(ctx context.Context) error { _, err := h.Read(ctx, id); return err }},
		{"Write, a creation", func(ctx context.Context) error { return h.Write(ctx, p.id(), rec, session.Version{}) }},
		{"Write, a change", func(ctx context.Context) error { return h.Write(ctx, id, changed, rec.Version) }},
		{"Destroy", func(ctx context.Context) error { return h.Destroy(ctx, p.id()) }},
	}
	if !p.SelfExpires {
		calls = append(calls, call{"GC", func(ctx context.Context) error { _, err := h.GC(ctx, 1); return err }})
	}
	if p.Toucher {
		calls = append(calls, call{"Touch", func(ctx context.Context) error { return p.touch(ctx, h, id, rec) }})
	}
	if p.Locker {
		calls = append(calls, p.lockCalls(h, id, changed, rec.Version)...)
	}
	if pinger, ok := h.(session.Pinger); ok && p.Pinger {
		calls = append(calls, call{"Ping", pinger.Ping})
	}
	return calls
}

// lockCalls returns one call of each method of a Locker, which succeed in this order when rec has been stored.
func (p *probe) lockCalls(h session.Handler, id session.ID, rec session.Record, prev session.Version) []call {
	o := p.owner(h, id, "/")
	copy(o.ask.Token[:], id[:]) // the same one in each round: calls that were interrupted may have left it the lock
	return []call{
		{"Acquire", func(ctx context.Context) error { _, err := o.l.Acquire(ctx, id, o.ask); return err }},
		{"Extend", func(ctx context.Context) error { return o.l.Extend(ctx, id, o.ask.Token, life) }},
		{"WriteRelease", func(ctx context.Context) error { return o.l.WriteRelease(ctx, id, rec, prev, o.ask.Token) }},
		{"Release", func(ctx context.Context) error { return o.l.Release(ctx, id, o.ask.Token) }},
	}
}

func contextEnded(p *probe) {
	h := p.open()
	rec := p.record("alive")
	id := p.create(h, rec)
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	overdue, cancel := context.WithDeadline(p.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for name, ctx := range map[string]context.Context{"a cancelled context": cancelled, "a context past its deadline": overdue} {
		for _, c := range p.calls(h, id, rec) {
			what := c.name + " with " + name
			err := p.prompt(what, func() error { return c.do(ctx) })
			if err == nil {
				p.fatalf("%s: got no error", what)
			}
			p.unanswered(what, err)
		}
	}
	for _, c := range p.calls(h, p.create(h, rec), rec) {
		p.ok(c.name+" with a live context", c.do(p.ctx))
	}
}

// unanswered ends the case if err tells something that only a store which has answered can know.
func (p *probe) unanswered(what string, err error) {
	for _, answer := range answers() {
		if answer != session.ErrUnavailable && errors.Is(err, answer) {
			p.fatalf("%s: got error %q", what, err)
		}
	}
}

func contextEnds(p *probe) {
	h := p.open()
	p.parallel(4, func(int) {
		rec := p.record("alive")
		id := p.create(h, rec)
		for range 25 {
			ctx, cancel := context.WithCancel(p.ctx)
			go func() {
				time.Sleep(rand.N(200 * time.Microsecond))
				cancel()
			}()
			for n := 0; n < 5 && ctx.Err() == nil; n++ {
				p.interrupted(ctx, h, id, rec)
			}
			cancel()
		}
		_, err := h.Read(p.ctx, id)
		p.ok("Read after interrupted calls", err)
	})
}

// interrupted makes calls that may or may not get through.
func (p *probe) interrupted(ctx context.Context, h session.Handler, id session.ID, rec session.Record) {
	for _, c := range p.calls(h, id, rec) {
		begin := time.Now()
		err := c.do(ctx)
		if took := time.Since(begin); took > prompt {
			p.fatalf("%s returned %v after its context had ended", c.name, took)
		}
		if err != nil && !errors.Is(err, session.ErrConflict) { // an interrupted change may have been applied
			p.unanswered(c.name+" with a context that ends", err)
		}
	}
}
