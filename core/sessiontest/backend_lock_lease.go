package sessiontest

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func lockLeaseCases() []backendCase {
	return []backendCase{
		{"lock-lease", "The lock is lent for a lease; Acquire of the holder, and Extend, give a fresh one.", lockLease},
		{"lock-lazy", "A lease that has ended ends nothing by itself: the holder keeps the lock until somebody else asks for it.",
			lockLazy},
		{"lock-takeover",
			"Whoever takes a lock whose lease has ended is told so; the former holder gets ErrLockLost and stores nothing.",
			lockTakeover},
		{"lock-takeover-over",
			"The former holder gets ErrLockLost whether or not the one who took the lock still has it.", lockTakeoverOver},
		{"lock-takeover-queue", "When a lease ends, the lock goes to the first who waits, and only that one is told Unclean.",
			lockTakeoverQueue},
		{"lock-takeover-race", "Of many that ask for a lock whose lease has ended, exactly one gets it.", lockTakeoverRace},
	}
}

// dead makes an owner that takes the lock for a lease and does not come back, and returns it when the lease has ended.
func (p *probe) dead(h session.Handler, id session.ID, lease time.Duration) *owner {
	o := p.owner(h, id, "/dead")
	o.ask.Lease = lease
	o.holds("Acquire")
	time.Sleep(lease + grace)
	return o
}

func lockLease(p *probe) {
	nodes := p.nodes()
	for what, renew := range map[string]func(o *owner) error{
		"Extend":        func(o *owner) error { return o.extend(o.ask.Lease) },
		"Acquire again": func(o *owner) error { _, err := o.acquire(); return err },
	} {
		p.inTime(func(span time.Duration) bool {
			id := p.create(nodes[0], p.record("payload"))
			a, b := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b")
			a.ask.Lease = span
			a.holds("Acquire")
			for range 3 { // the leases together are longer than one
				begin := time.Now()
				p.ok(what, renew(a))
				time.Sleep(span / 2)
				lock, err := b.acquire()
				if time.Since(begin) >= span {
					return false
				}
				p.ok("Acquire of another one", err)
				if lock.Held {
					p.fatalf("%s gave a lease that is shorter than it should be", what)
				}
			}
			time.Sleep(span)
			b.holds("after the lease")
			return true
		})
	}
}

func lockLazy(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	const lease = 20 * time.Millisecond
	a := p.dead(nodes[0], id, lease)
	p.ok("Extend of a lease that has ended", a.extend(lease))
	time.Sleep(lease + grace)
	if lock := a.holds("Acquire of the holder whose lease has ended"); lock.Unclean {
		p.fatalf("a holder that nobody followed is told Unclean")
	}
	time.Sleep(lease + grace)
	changed := p.next(rec, "second")
	p.ok("WriteRelease of a holder whose lease has ended", a.write(changed, rec.Version))
	p.stored(nodes[1], id, changed)
}

func lockTakeover(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a, b := p.dead(nodes[0], id, 20*time.Millisecond), p.owner(nodes[1], id, "/b")
	for range 2 { // also when it asks again, as if the reply was lost
		lock := b.holds("after the lease of the one before has ended")
		if !lock.Unclean || lock.Holder.Path != "/dead" {
			p.fatalf("whoever takes over is told Unclean = %v, holder %q; want true, /dead", lock.Unclean, lock.Holder.Path)
		}
		if diff := difference(lock.Record, rec); diff != "" {
			p.fatalf("Acquire: %s", diff)
		}
	}
	late := p.next(rec, "late")
	p.want("WriteRelease of the former holder", a.write(late, rec.Version), session.ErrLockLost)
	p.want("Extend of the former holder", a.extend(life), session.ErrLockLost)
	a.gives()
	p.stored(nodes[0], id, rec)
	p.owner(nodes[0], id, "/c").refused("after the calls of a former holder")
	changed := p.next(rec, "second")
	p.ok("WriteRelease", b.write(changed, rec.Version))
	p.stored(nodes[0], id, changed)
	if lock := p.owner(nodes[0], id, "/d").holds("after WriteRelease"); lock.Unclean {
		p.fatalf("a lock that was released says Unclean")
	}
}

func lockTakeoverOver(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a, b := p.dead(nodes[0], id, 20*time.Millisecond), p.owner(nodes[1], id, "/b")
	b.holds("after the lease of the one before has ended")
	b.gives()
	p.want("WriteRelease of the former holder", a.write(p.next(rec, "late"), rec.Version), session.ErrLockLost)
	p.want("Extend of the former holder", a.extend(life), session.ErrLockLost)
	p.stored(nodes[0], id, rec)
}

func lockTakeoverQueue(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	p.inTime(func(span time.Duration) bool {
		a, b, c := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b"), p.owner(nodes[0], id, "/c")
		begin := time.Now()
		a.ask.Lease = 4 * span
		a.holds("Acquire")
		b.ask.Wait = life
		lock, err := b.acquire()
		p.ok("Acquire of one who is going to wait", err)
		if lock.Held || time.Since(begin) > span {
			b.gives()
			a.gives()
			return false
		}
		bTurn, cTurn := b.waits(), c.waits()
		b.served("when the lease of the holder has ended", bTurn, true)
		p.waiting("while the one before has the lock", cTurn)
		b.gives()
		c.served("after a release", cTurn, false)
		c.gives()
		return true
	})
}

func lockTakeoverRace(p *probe) {
	const heirs, rounds = 10, 5
	nodes := p.nodes()
	for range rounds {
		id := p.create(nodes[0], p.record("payload"))
		p.dead(nodes[0], id, 5*time.Millisecond)
		var winners atomic.Int32
		p.parallel(heirs, func(i int) {
			lock, err := p.owner(nodes[i%2], id, "/"+strconv.Itoa(i)).acquire()
			p.ok("Acquire", err)
			if lock.Held {
				winners.Add(1)
			}
		})
		if n := winners.Load(); n != 1 {
			p.fatalf("%d have got the lock", n)
		}
	}
}
