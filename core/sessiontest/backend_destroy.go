package sessiontest

import "github.com/nonstick-go/nonstick/core/session"

func destroyCases() []backendCase {
	return []backendCase{
		{"destroy", "From the return of Destroy on, Read is ErrNotFound on every node.", func(p *probe) {
			nodes := p.nodes()
			rec := p.record("to be destroyed")
			id := p.create(nodes[0], rec)
			p.stored(nodes[0], id, rec) // a node that kept what it has read would fail
			p.stored(nodes[1], id, rec)
			p.ok("Destroy", nodes[1].Destroy(p.ctx, id))
			p.gone("after Destroy", nodes[0], id)
			p.gone("after Destroy", nodes[1], id)
		}},
		{"destroy-absent", "Destroy of a session that is not there is no error, nor is its repetition.", func(p *probe) {
			h := p.open()
			p.ok("Destroy of an id that nobody has", h.Destroy(p.ctx, p.id()))
			id := p.create(h, p.record("to be destroyed"))
			p.ok("Destroy", h.Destroy(p.ctx, id))
			p.ok("repeated Destroy", h.Destroy(p.ctx, id))
		}},
		{"destroy-late-write",
			"A Write that expects the session to exist is ErrNotFound after Destroy, also the repetition of one that was applied.",
			destroyLateWrite},
	}
}

func destroyLateWrite(p *probe) {
	nodes := p.nodes()
	first := p.record("first")
	id := p.create(nodes[0], first)
	second := p.next(first, "second")
	p.ok("change", nodes[0].Write(p.ctx, id, second, first.Version))
	p.ok("Destroy", nodes[1].Destroy(p.ctx, id))
	for _, h := range nodes {
		p.want("change of the newest version", h.Write(p.ctx, id, p.next(second, "late"), second.Version), session.ErrNotFound)
		p.want("change of an old version", h.Write(p.ctx, id, p.next(first, "late"), first.Version), session.ErrNotFound)
		p.want("repeated change", h.Write(p.ctx, id, second, first.Version), session.ErrNotFound)
		p.gone("after the refused changes", h, id)
	}
}
