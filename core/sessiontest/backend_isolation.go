package sessiontest

import (
	"bytes"
	"fmt"

	"github.com/nonstick-go/nonstick/core/session"
)

func isolationCases() []backendCase {
	return []backendCase{
		{"many-sessions", "Sessions do not mix, whoever works on them at the same time.", manySessions},
		{"similar-ids",
			"Sessions whose ids differ in a single bit are different sessions, and an id may hold any bytes.", similarIDs},
	}
}

func manySessions(p *probe) {
	const workers, each = 8, 12
	nodes := p.nodes()
	p.parallel(workers, func(worker int) {
		ids := make([]session.ID, each)
		recs := make([]session.Record, each)
		for i := range each {
			recs[i] = p.record(fmt.Sprintf("session %d of worker %d", i, worker))
			ids[i] = p.create(nodes[i%2], recs[i])
		}
		for i := 0; i < each; i += 2 {
			changed := p.next(recs[i], fmt.Sprintf("changed session %d of worker %d", i, worker))
			p.ok("change", nodes[0].Write(p.ctx, ids[i], changed, recs[i].Version))
			recs[i] = changed
		}
		for i := 0; i < each; i += 3 {
			p.ok("Destroy", nodes[1].Destroy(p.ctx, ids[i]))
		}
		for i := range each {
			if i%3 == 0 {
				p.gone("of a destroyed session", nodes[0], ids[i])
			} else {
				p.stored(nodes[1], ids[i], recs[i])
			}
		}
	})
}

func similarIDs(p *probe) {
	h := p.open()
	recs := map[session.ID]session.Record{}
	add := func(id session.ID) {
		recs[id] = p.record(fmt.Sprintf("session %d", len(recs)))
		p.ok("creation", h.Write(p.ctx, id, recs[id], session.Version{}))
	}
	first := p.id()
	add(first)
	for i := range first {
		id := first
		id[i] ^= 1 << (i % 8)
		add(id)
	}
	for _, b := range []byte("\x00\n /%*'{}~\x7f\x80\xff") {
		for range 2 {
			id := p.id() // the second half stays random, so that suites can share a store
			copy(id[:16], bytes.Repeat([]byte{b}, 16))
			add(id)
		}
	}
	for id, rec := range recs {
		p.stored(h, id, rec)
	}
	p.ok("Destroy", h.Destroy(p.ctx, first))
	for id, rec := range recs {
		if id != first {
			p.stored(h, id, rec)
		}
		p.ok("Destroy", h.Destroy(p.ctx, id))
	}
}
