package sessiontest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func gcCases(s *suite) []backendCase {
	cases := []backendCase{
		{"gc-live", "GC removes expired sessions only, also when one is kept alive at the last moment.", gcLive},
	}
	if s.SelfExpires {
		return append(cases, backendCase{"gc-nothing", "GC of a store that expires by itself returns 0, nil.", func(p *probe) {
			n, err := p.open().GC(p.ctx, 100)
			p.ok("GC", err)
			if n != 0 {
				p.fatalf("GC removed %d sessions", n)
			}
		}})
	}
	return append(cases,
		backendCase{"gc-limit",
			"GC removes up to limit expired sessions, and what it leaves the next calls find.", gcLimit},
		backendCase{"gc-twice", "Several processes may run GC at once.", gcTwice},
		backendCase{"gc-frees", "The store forgets a record at the latest when GC runs: its id is free then.", gcFrees},
	)
}

// expired stores n sessions and waits until they have expired.
func (p *probe) expired(h session.Handler, n int) (ids []session.ID) {
	p.inTime(func(span time.Duration) bool {
		rec := p.record("expired")
		rec.TTL = span
		for range n {
			id, ok := p.createShort(h, rec)
			if !ok {
				return false
			}
			ids = append(ids, id)
			rec = p.next(rec, "expired")
		}
		p.sleepUntil(rec.Deadline().Add(grace))
		return true
	})
	return ids
}

// collect runs GC until nothing is left to do and returns how many sessions it removed.
func (p *probe) collect(h session.Handler, limit int) (total int) {
	for range 10_000 {
		n, err := h.GC(p.ctx, limit)
		p.ok("GC", err)
		if n < 0 || n > limit {
			p.fatalf("GC with limit %d removed %d sessions", limit, n)
		}
		total += n
		if n < limit {
			return total
		}
	}
	p.fatalf("GC finds something to do for ever")
	return 0
}

// alone keeps other cases from collecting what this one counts, until the returned function is called.
func (p *probe) alone() (leave func()) {
	select {
	case p.gc <- struct{}{}:
	case <-p.ctx.Done():
		p.fatalf("another GC case does not end")
	}
	return func() { <-p.gc }
}

// collects ends the case unless try removes n sessions in one of some tries: cases that know nothing of alone, as those of
// contexts and of Close, call GC too, and may be quicker.
func (p *probe) collects(n int, try func() (removed int)) {
	removed := 0
	for range 5 {
		if removed = try(); removed >= n {
			return
		}
	}
	p.fatalf("GC ended after %d sessions, %d were expired", removed, n)
}

func gcLimit(p *probe) {
	defer p.alone()()
	const n = 10
	h := p.open()
	live := p.record("alive")
	id := p.create(h, live)
	p.collects(n, func() int {
		p.expired(h, n)
		if removed, err := h.GC(p.ctx, 0); err != nil || removed != 0 {
			p.fatalf("GC with limit 0 removed %d sessions, error %v", removed, err)
		}
		return p.collect(h, 3)
	})
	p.stored(h, id, live)
}

func gcTwice(p *probe) {
	defer p.alone()()
	const n = 30
	nodes := p.nodes()
	p.collects(n, func() int {
		ids := p.expired(nodes[0], n)
		var removed atomic.Int64
		p.parallel(2, func(i int) { removed.Add(int64(p.collect(nodes[i], 4))) })
		for _, id := range ids {
			p.gone("of a collected session", nodes[0], id)
		}
		return int(removed.Load())
	})
}

func gcFrees(p *probe) {
	defer p.alone()()
	h := p.open()
	ids := p.expired(h, 3)
	p.collect(h, 100)
	for _, id := range ids {
		rec := p.record("new")
		p.ok("creation after GC", h.Write(p.ctx, id, rec, session.Version{}))
		p.stored(h, id, rec)
	}
}

// gcLive keeps sessions alive in the last milliseconds before their deadline while GC runs. Whatever Write or Touch says,
// must hold.
func gcLive(p *probe) {
	const n = 16
	defer p.alone()()
	nodes := p.nodes()
	steady := p.record("alive")
	steadyID := p.create(nodes[0], steady)
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		rec.TTL = span
		ids := make([]session.ID, n)
		for i := range ids {
			var ok bool
			if ids[i], ok = p.createShort(nodes[0], rec); !ok {
				return false
			}
		}
		p.parallel(n+1, func(i int) {
			if i == n {
				for time.Until(rec.Deadline()) > -grace {
					p.collect(nodes[1], 5)
					time.Sleep(time.Millisecond)
				}
				return
			}
			p.sleepUntil(rec.Deadline().Add(-time.Duration(i) * time.Millisecond))
			p.keepAlive(nodes[0], ids[i], rec)
		})
		p.collect(nodes[1], 100)
		p.stored(nodes[0], steadyID, steady)
		return true
	})
}

// keepAlive extends a session that is about to expire, and checks that it lives on if that succeeded.
func (p *probe) keepAlive(h session.Handler, id session.ID, rec session.Record) {
	longer := p.next(rec, "kept alive")
	longer.TTL = life
	err := h.Write(p.ctx, id, longer, rec.Version)
	if errors.Is(err, session.ErrNotFound) {
		if !p.late(err, rec) {
			p.fatalf("change before the deadline: %v", err)
		}
		p.gone("after a change that came too late", h, id)
		return
	}
	p.ok("change before the deadline", err)
	p.sleepUntil(rec.Deadline().Add(grace))
	p.stored(h, id, longer)
}
