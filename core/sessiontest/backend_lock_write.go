package sessiontest

import (
	"bytes"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

func lockWrite(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	for i, h := range nodes {
		a := p.owner(h, id, "/a")
		a.holds("Acquire")
		changed := p.next(rec, strings.Repeat("changed", i+1))
		changed.Seen, changed.TTL = rec.Seen.Add(life/2), 2*life
		p.ok("WriteRelease", a.write(changed, rec.Version))
		for _, other := range nodes {
			p.stored(other, id, changed)
		}
		b := p.owner(nodes[1-i], id, "/b")
		if lock := b.holds("after WriteRelease"); lock.Unclean || lock.Record.Version != changed.Version {
			p.fatalf("after WriteRelease the next holder gets an old record, or Unclean is set")
		}
		b.gives()
		rec = changed
	}
}

func lockWriteConflict(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a := p.owner(nodes[0], id, "/a")
	a.holds("Acquire")
	between := p.next(rec, "between")
	p.ok("Write of another one", nodes[1].Write(p.ctx, id, between, rec.Version))
	mine := p.next(rec, "mine")
	p.refused("WriteRelease", a.write(mine, rec.Version), session.ErrConflict, between)
	p.stored(nodes[1], id, between)
	p.owner(nodes[1], id, "/b").refused("after a conflict")
	p.ok("WriteRelease over what is stored", a.write(mine, between.Version))
	p.stored(nodes[1], id, mine)
	p.owner(nodes[1], id, "/c").holds("after WriteRelease")
}

func lockWriteAgain(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a, b := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b")
	a.holds("Acquire")
	second := p.next(rec, "second")
	for range 2 {
		p.ok("WriteRelease", a.write(second, rec.Version))
		p.stored(nodes[1], id, second)
	}
	b.holds("after WriteRelease")
	p.ok("repeated WriteRelease, as if the reply was lost", a.write(second, rec.Version))
	p.owner(nodes[0], id, "/c").refused("after the repeated WriteRelease of a former holder")
	third := p.next(rec, "third")
	p.ok("WriteRelease", b.write(third, second.Version))
	p.want("WriteRelease that was overtaken", a.write(second, rec.Version), session.ErrLockLost)
	p.stored(nodes[0], id, third)

	// A plain write may have been applied and its reply lost before the session was locked.
	a.holds("Acquire")
	p.ok("WriteRelease of what is stored", a.write(third, rec.Version))
	p.owner(nodes[1], id, "/d").holds("after a WriteRelease that had nothing to store")
}

func lockWriteStranger(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	stranger := p.owner(nodes[1], id, "/stranger")
	late := p.next(rec, "late")
	p.want("WriteRelease without a lock", stranger.write(late, rec.Version), session.ErrLockLost)
	a := p.owner(nodes[0], id, "/a")
	a.holds("Acquire")
	p.want("WriteRelease without the lock", stranger.write(late, rec.Version), session.ErrLockLost)
	stranger.ask.Wait = life
	stranger.refused("Acquire of another one")
	p.want("WriteRelease of one who waits", stranger.write(late, rec.Version), session.ErrLockLost)
	p.want("Extend of one who waits", stranger.extend(life), session.ErrLockLost)
	stranger.gives()
	a.gives()
	p.want("WriteRelease of a former holder", a.write(late, rec.Version), session.ErrLockLost)
	p.want("Extend of a former holder", a.extend(life), session.ErrLockLost)
	p.stored(nodes[0], id, rec)
}

func lockWriteTooLarge(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a := p.owner(nodes[0], id, "/a")
	a.holds("Acquire")
	huge := p.next(rec, strings.Repeat("x", p.TooLarge))
	p.want("WriteRelease", a.write(huge, rec.Version), session.ErrTooLarge)
	p.stored(nodes[1], id, rec)
	p.owner(nodes[1], id, "/b").refused("after ErrTooLarge")
	p.ok("WriteRelease", a.write(p.next(rec, "less"), rec.Version))
}

func lockAlias(p *probe) {
	h := p.open()
	rec := p.record("this is what was written")
	id := p.create(h, rec)
	a := p.owner(h, id, "/a")
	for range 2 {
		lock := a.holds("Acquire")
		scribble(lock.Record.Payload[:cap(lock.Record.Payload)])
		p.stored(h, id, rec)
	}
	changed := p.next(rec, "this is what was changed")
	given := changed
	given.Payload = bytes.Clone(changed.Payload)
	p.ok("WriteRelease", a.write(given, rec.Version))
	scribble(given.Payload)
	p.stored(h, id, changed)
}

func lockCorrupt(p *probe) {
	nodes := p.nodes()
	rec := p.record("in order")
	garbled, other := p.create(nodes[0], rec), p.create(nodes[0], rec)
	p.ok("Garble", p.Garble(p.ctx, garbled))
	_, err := p.owner(nodes[1], garbled, "/a").acquire()
	p.want("Acquire", err, session.ErrCorrupt)
	p.discreet(err, garbled, "in order")
	p.owner(nodes[1], other, "/a").holds("Acquire of another session")
	p.ok("Destroy", nodes[0].Destroy(p.ctx, garbled))
	p.gone("after Destroy", nodes[1], garbled)
}
