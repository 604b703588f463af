package sessiontest

import (
	"errors"
	"math"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func expiryCases() []backendCase {
	return []backendCase{
		{"expires-idle", "Read is ErrNotFound from Seen + TTL on, and reading does not put that off.", func(p *probe) {
			p.expires(func(rec *session.Record, span time.Duration) { rec.TTL = span })
		}},
		{"expires-seen-before", "The TTL counts from Seen, not from the write.", func(p *probe) {
			p.expires(func(rec *session.Record, span time.Duration) {
				rec.Created, rec.Seen, rec.TTL = rec.Created.Add(-life), rec.Seen.Add(-life), life+span
			})
		}},
		{"expires-absolute", "Read is ErrNotFound from Expires on, even if Seen + TTL is later.", func(p *probe) {
			p.expires(func(rec *session.Record, span time.Duration) { rec.Expires = rec.Seen.Add(span) })
		}},
		{"write-past",
			"A record whose deadline has passed is not stored: Write returns ErrNotFound, and what was stored before stays.",
			writePast},
		{"change-expired", "A change of an expired session is ErrNotFound and does not bring it back.", changeExpired},
		{"change-deadline", "A change sets the deadline that follows from its own record, later or earlier.", changeDeadline},
	}
}

// expires checks that a session lives just as long as soon makes its record live.
func (p *probe) expires(soon func(rec *session.Record, span time.Duration)) {
	nodes := p.nodes()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		soon(&rec, span)
		id, ok := p.createShort(nodes[0], rec)
		if !ok {
			return false
		}
		for ok && time.Until(rec.Deadline()) > span/3 {
			for _, h := range nodes {
				_, err := h.Read(p.ctx, id)
				if ok = !p.late(err, rec); ok {
					p.ok("Read before the deadline", err)
				}
			}
			time.Sleep(span / 4)
		}
		p.sleepUntil(rec.Deadline().Add(grace))
		p.gone("after the deadline", nodes[0], id)
		p.gone("after the deadline", nodes[1], id)
		return ok
	})
}

// createShort stores a record that is about to expire. It reports false if that happened already.
func (p *probe) createShort(h session.Handler, rec session.Record) (session.ID, bool) {
	id := p.id()
	err := p.timed(func() error { return h.Write(p.ctx, id, rec, session.Version{}) })
	if p.late(err, rec) {
		return id, false
	}
	p.ok("creating a session that is about to expire", err)
	return id, true
}

// timed makes a call that sets a deadline which the case waits for, so that sleepUntil knows how late a store may be.
func (p *probe) timed(call func() error) error {
	begin := time.Now()
	err := call()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = max(p.slow, time.Since(begin))
	return err
}

// late reports whether err is ErrNotFound for no other reason than that the deadline of rec has come.
func (p *probe) late(err error, rec session.Record) bool {
	return errors.Is(err, session.ErrNotFound) && time.Until(rec.Deadline()) < time.Millisecond
}

func writePast(p *probe) {
	h := p.open()
	rec := p.record("alive")
	id := p.create(h, rec)
	now := time.Now()
	for name, spoil := range map[string]func(*session.Record){
		"TTL of zero":          func(r *session.Record) { r.TTL = 0 },
		"negative TTL":         func(r *session.Record) { r.TTL = -time.Second },
		"TTL of -1 ns":         func(r *session.Record) { r.TTL = -1 },
		"lowest TTL":           func(r *session.Record) { r.TTL = math.MinInt64 },
		"Seen long ago":        func(r *session.Record) { r.Created, r.Seen = now.Add(-2*life), now.Add(-life-time.Second) },
		"Expires a second ago": func(r *session.Record) { r.Expires = now.Add(-time.Second) },
		"Expires now":          func(r *session.Record) { r.Expires = now },
		"Expires in 1970":      func(r *session.Record) { r.Expires = time.UnixMilli(0) },
	} {
		past := p.next(rec, "too late")
		spoil(&past)
		other := p.id()
		p.want("creation, "+name, h.Write(p.ctx, other, past, session.Version{}), session.ErrNotFound)
		p.gone("after the creation, "+name, h, other)
		p.want("change, "+name, h.Write(p.ctx, id, past, rec.Version), session.ErrNotFound)
		p.stored(h, id, rec)
	}
}

func changeExpired(p *probe) {
	nodes := p.nodes()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		rec.TTL = span
		id, ok := p.createShort(nodes[0], rec)
		if !ok {
			return false
		}
		p.sleepUntil(rec.Deadline().Add(grace))
		late := p.next(rec, "late")
		late.Seen, late.TTL = time.Now(), life
		for _, h := range nodes {
			p.want("change after the deadline", h.Write(p.ctx, id, late, rec.Version), session.ErrNotFound)
			p.gone("after the refused change", h, id)
		}
		return true
	})
}

func changeDeadline(p *probe) {
	nodes := p.nodes()
	p.inTime(func(span time.Duration) bool {
		short := p.record("short")
		short.TTL = span
		extended, ok := p.createShort(nodes[0], short)
		if !ok {
			return false
		}
		long := p.next(short, "long")
		long.TTL = life
		cut := p.create(nodes[0], long)
		err := nodes[1].Write(p.ctx, extended, long, short.Version)
		if p.late(err, short) {
			return false
		}
		p.ok("change to a later deadline", err)
		ending := p.next(long, "short")
		ending.TTL = span
		err = p.timed(func() error { return nodes[1].Write(p.ctx, cut, ending, long.Version) })
		if p.late(err, ending) {
			return false
		}
		p.ok("change to an earlier deadline", err)
		p.sleepUntil(short.Deadline().Add(grace))
		p.stored(nodes[0], extended, long)
		p.gone("after the earlier deadline", nodes[0], cut)
		return true
	})
}
