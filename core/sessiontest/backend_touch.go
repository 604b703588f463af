package sessiontest

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func touchCases() []backendCase {
	return []backendCase{
		{"touch", "Touch sets rec.Seen and leaves version, payload and all else alone; rec.Payload is not looked at.", touch},
		{"touch-deadline", "Touch sets the deadline that follows from rec.Seen.", touchDeadline},
		{"touch-expires", "Touch does not keep a session alive beyond Expires.", touchExpires},
		{"touch-other-version",
			"A record that has another version by now was kept alive by whoever wrote it: Touch returns nil and changes nothing.",
			touchOtherVersion},
		{"touch-earlier", "A Seen before that of an earlier touch changes nothing: of two touches the later one may arrive first.",
			touchEarlier},
		{"touch-absent", "Nothing alive under id is ErrNotFound: a touch never brings back an absent or destroyed session.",
			touchAbsent},
		{"touch-expired", "Nothing alive under id is ErrNotFound: a touch never brings back an expired session.", touchExpired},
		{"touch-race", "A touch that meets a change neither undoes it nor makes it fail.", touchRace},
	}
}

func touch(p *probe) {
	nodes := p.nodes()
	rec := p.record("payload")
	rec.Expires = rec.Created.Add(2 * life)
	id := p.create(nodes[0], rec)
	for i, payload := range [][]byte{nil, []byte("not looked at")} {
		rec.Seen = rec.Seen.Add(time.Minute)
		touched := rec
		touched.Payload = payload
		for range 2 {
			p.ok("Touch", p.touch(p.ctx, nodes[i], id, touched))
			p.stored(nodes[0], id, rec)
			p.stored(nodes[1], id, rec)
		}
	}
	changed := p.next(rec, "changed after a touch")
	p.ok("change after a touch", nodes[0].Write(p.ctx, id, changed, rec.Version))
	p.stored(nodes[1], id, changed)
}

func touchEarlier(p *probe) {
	nodes := p.nodes()
	rec := p.record("payload")
	id := p.create(nodes[0], rec)
	early, late := rec, rec
	early.Seen, late.Seen = rec.Seen.Add(time.Minute), rec.Seen.Add(2*time.Minute)
	p.ok("Touch", p.touch(p.ctx, nodes[0], id, late))
	p.ok("Touch with an earlier Seen", p.touch(p.ctx, nodes[1], id, early))
	p.stored(nodes[0], id, late)
}

func touchDeadline(p *probe) {
	nodes := p.nodes()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		rec.Created = rec.Created.Add(-life)
		rec.Seen = rec.Created
		rec.TTL = life + span
		id, ok := p.createShort(nodes[0], rec)
		if !ok {
			return false
		}
		touched := rec
		touched.Seen = rec.Seen.Add(life)
		err := p.touch(p.ctx, nodes[1], id, touched)
		if p.late(err, rec) {
			return false
		}
		p.ok("Touch", err)
		p.sleepUntil(rec.Deadline().Add(grace))
		p.stored(nodes[0], id, touched)
		return true
	})
}

func touchExpires(p *probe) {
	h := p.open()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		rec.Expires = rec.Created.Add(span)
		id, ok := p.createShort(h, rec)
		if !ok {
			return false
		}
		touched := rec
		touched.Seen = rec.Seen.Add(time.Millisecond)
		err := p.timed(func() error { return p.touch(p.ctx, h, id, touched) })
		if p.late(err, rec) {
			return false
		}
		p.ok("Touch", err)
		p.sleepUntil(rec.Deadline().Add(grace))
		p.gone("after Expires", h, id)
		return true
	})
}

func touchOtherVersion(p *probe) {
	nodes := p.nodes()
	first := p.record("first")
	id := p.create(nodes[0], first)
	second := p.next(first, "second")
	p.ok("change", nodes[0].Write(p.ctx, id, second, first.Version))
	late := first
	late.Seen = first.Seen.Add(time.Minute)
	for _, h := range nodes {
		p.ok("Touch of an old version", p.touch(p.ctx, h, id, late))
		p.stored(h, id, second)
	}
}

func touchAbsent(p *probe) {
	nodes := p.nodes()
	rec := p.record("destroyed")
	destroyed := p.create(nodes[0], rec)
	p.ok("Destroy", nodes[1].Destroy(p.ctx, destroyed))
	for _, id := range []session.ID{p.id(), destroyed} {
		p.want("Touch", p.touch(p.ctx, nodes[0], id, rec), session.ErrNotFound)
		p.gone("after the refused touch", nodes[0], id)
	}
}

func touchExpired(p *probe) {
	h := p.open()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("short")
		rec.TTL = span
		id, ok := p.createShort(h, rec)
		if !ok {
			return false
		}
		p.sleepUntil(rec.Deadline().Add(grace))
		late := rec
		late.Seen = time.Now()
		late.TTL = life
		p.want("Touch after the deadline", p.touch(p.ctx, h, id, late), session.ErrNotFound)
		p.gone("after the refused touch", h, id)
		return true
	})
}

func touchRace(p *probe) {
	const changes = 50
	nodes := p.nodes()
	rec := p.record("0")
	id := p.create(nodes[0], rec)
	var done atomic.Bool
	p.parallel(3, func(worker int) {
		if worker == 0 {
			defer done.Store(true)
			mine := rec
			for i := range changes {
				next := p.next(mine, strconv.Itoa(i+1))
				p.ok("change during touches", nodes[0].Write(p.ctx, id, next, mine.Version))
				mine = next
				p.pause()
			}
			return
		}
		for !done.Load() {
			newest, err := nodes[worker%2].Read(p.ctx, id)
			p.ok("Read during changes", err)
			p.pause()
			p.ok("Touch during changes", p.touch(p.ctx, nodes[worker%2], id, newest))
		}
	})
	newest, err := nodes[1].Read(p.ctx, id)
	p.ok("Read", err)
	if string(newest.Payload) != strconv.Itoa(changes) {
		p.fatalf("after %d changes the counter is %q", changes, newest.Payload)
	}
}
