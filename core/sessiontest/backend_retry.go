package sessiontest

import (
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func retryCases() []backendCase {
	const rule = "The stored version is rec.Version already: it was applied before. Write returns nil and changes nothing."
	return []backendCase{
		{"retry-create", rule, retryCreate},
		{"retry-change", rule, retryChange},
		{"retry-overtaken",
			"A repeated write that somebody else has overwritten meanwhile is ErrConflict, not applied again.", retryOvertaken},
	}
}

func retryCreate(p *probe) {
	nodes := p.nodes()
	rec := p.record("once")
	id := p.create(nodes[0], rec)
	for _, h := range nodes {
		p.ok("repeated creation", h.Write(p.ctx, id, rec, session.Version{}))
		p.ok("repeated creation, as a change", h.Write(p.ctx, id, rec, p.version()))
		p.stored(h, id, rec)
	}
	if !p.Toucher {
		return
	}
	touched := rec
	touched.Seen = rec.Seen.Add(time.Second)
	p.ok("Touch", p.touch(p.ctx, nodes[0], id, touched))
	p.ok("repeated creation after a touch", nodes[1].Write(p.ctx, id, rec, session.Version{}))
	p.stored(nodes[0], id, touched)
}

func retryChange(p *probe) {
	nodes := p.nodes()
	first := p.record("first")
	id := p.create(nodes[0], first)
	second := p.next(first, "second")
	p.ok("change", nodes[0].Write(p.ctx, id, second, first.Version))
	for _, h := range nodes {
		p.ok("repeated change", h.Write(p.ctx, id, second, first.Version))
		p.ok("repeated change with another prev", h.Write(p.ctx, id, second, p.version()))
		p.ok("repeated change, as a creation", h.Write(p.ctx, id, second, session.Version{}))
		p.stored(h, id, second)
	}
}

func retryOvertaken(p *probe) {
	nodes := p.nodes()
	first := p.record("first")
	id := p.create(nodes[0], first)
	second, third := p.next(first, "second"), p.next(first, "third")
	p.ok("change", nodes[0].Write(p.ctx, id, second, first.Version))
	p.ok("next change", nodes[1].Write(p.ctx, id, third, second.Version))
	p.refused("repeated change", nodes[0].Write(p.ctx, id, second, first.Version), session.ErrConflict, third)
	p.refused("repeated creation", nodes[0].Write(p.ctx, id, first, session.Version{}), session.ErrExists, third)
	p.stored(nodes[0], id, third)
}
