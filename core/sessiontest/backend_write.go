package sessiontest

import (
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func writeCases() []backendCase {
	return []backendCase{
		{"round-trip", "What Write stores, Read returns on every node: all fields, times to the millisecond.", roundTrip},
		{"change", "A change with the stored version replaces the whole record.", change},
		{"read-absent", "Read is ErrNotFound when the session is absent.", func(p *probe) {
			p.gone("of an id that nobody has", p.open(), p.id())
		}},
		{"create-exists", "prev is zero, a creation: nothing may be stored under id, else ErrExists.", createExists},
		{"change-conflict",
			"prev is set, a change: another stored version is ErrConflict, and the stored record stays.", changeConflict},
		{"change-absent", "prev is set, a change: nothing alive is ErrNotFound, and nothing is stored.", func(p *probe) {
			h, id := p.open(), p.id()
			rec := p.record("late")
			p.want("changing a session that never was", h.Write(p.ctx, id, rec, p.version()), session.ErrNotFound)
			p.gone("after the refused change", h, id)
		}},
	}
}

func roundTrip(p *probe) {
	nodes := p.nodes()
	created := time.Now().Add(-time.Hour).Truncate(time.Second).Add(7 * time.Millisecond)
	full := p.record("all fields")
	full.Created = created
	full.Seen = created.Add(time.Hour - 5*time.Millisecond)
	full.Expires = created.Add(48*time.Hour + 4*time.Millisecond)
	full.TTL = 25*time.Hour + 7*time.Millisecond
	forwarding := p.record("")
	forwarding.Successor, forwarding.Payload = p.id(), nil
	alias := p.record("")
	alias.Successor, alias.Payload, alias.Expires = p.id(), nil, alias.Seen.Add(alias.TTL)
	elsewhere := p.record("another time zone")
	elsewhere.Created = created.In(time.FixedZone("", 5*3600+1800))
	elsewhere.Expires = created.Add(30 * time.Hour).In(time.FixedZone("", -3*3600))
	years := p.record("ten years")
	years.TTL = 10 * 365 * 24 * time.Hour
	for _, rec := range []session.Record{p.record("no absolute end"), full, forwarding, alias, elsewhere, years} {
		id := p.create(nodes[0], rec)
		p.stored(nodes[0], id, rec)
		p.stored(nodes[1], id, rec)
	}
}

func change(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	rec.Expires = time.Now().Add(2 * life)
	id := p.create(nodes[0], rec)
	for i, payload := range []string{"second, which is longer than the first", "3", "", "fourth"} {
		changed := p.next(rec, payload)
		changed.Seen = rec.Seen.Add(time.Millisecond)
		changed.TTL = rec.TTL + time.Second
		changed.Expires = time.Time{}
		p.ok("changing the session", nodes[i%2].Write(p.ctx, id, changed, rec.Version))
		p.stored(nodes[0], id, changed)
		p.stored(nodes[1], id, changed)
		rec = changed
	}
	successor := p.next(rec, "")
	successor.Successor = p.id()
	p.ok("setting a successor", nodes[1].Write(p.ctx, id, successor, rec.Version))
	p.stored(nodes[0], id, successor)
}

func createExists(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	for _, h := range nodes {
		p.refused("second creation", h.Write(p.ctx, id, p.record("second"), session.Version{}), session.ErrExists, rec)
		p.stored(h, id, rec)
	}
}

func changeConflict(p *probe) {
	nodes := p.nodes()
	first := p.record("first")
	id := p.create(nodes[0], first)
	second := p.next(first, "second")
	p.ok("first change", nodes[1].Write(p.ctx, id, second, first.Version))
	for _, prev := range []session.Version{first.Version, p.version()} {
		late := p.next(first, "late")
		late.TTL = time.Minute
		p.refused("change of an old version", nodes[0].Write(p.ctx, id, late, prev), session.ErrConflict, second)
		p.stored(nodes[0], id, second)
	}
	other := second.Version // a version is compared whole
	other[len(other)-1] ^= 1
	late := p.next(second, "late")
	p.refused("change of another node's version", nodes[0].Write(p.ctx, id, late, other), session.ErrConflict, second)
	p.stored(nodes[1], id, second)
}
