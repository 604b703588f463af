package sessiontest

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func lockQueueCases() []backendCase {
	return []backendCase{
		{"lock-queue", "Those who wait are served in the order in which they came, on whatever node.", lockQueue},
		{"lock-handed", "A lock that Wake hands over is held like one that Acquire gives, and comes with what was stored last.", lockHanded},
		{"lock-overtake", "The lock is handed to the first in the queue when it is released: nobody can overtake.", lockOvertake},
		{"lock-queue-leave", "A place in the queue is given up with Release, and whoever stands behind moves up.", lockQueueLeave},
		{"lock-queue-dead", "A waiter that does not ask any more does not stop those behind it.", lockQueueDead},
		{"lock-queue-none", "Wait of zero or less takes no place in the queue.", lockQueueNone},
		{"lock-queue-full", "ErrLocked says that the queue is full: MaxLockQueue may wait.", lockQueueFull},
		{"lock-race", "One holder at a time: of many that count under the lock, on two nodes, none loses anything.", lockRace},
	}
}

func lockQueue(p *probe) {
	nodes := p.nodes()
	rec := p.record("0")
	id := p.create(nodes[0], rec)
	first := p.owner(nodes[0], id, "/first")
	first.holds("Acquire")
	var queue []*owner
	var turns []<-chan turn
	for i := range 6 {
		queue = append(queue, p.owner(nodes[(i/2+i)%2], id, "/"+strconv.Itoa(i)))
		turns = append(turns, queue[i].waits())
	}
	first.gives()
	for i, o := range queue {
		o.served("after a release", turns[i], false)
		p.waiting("while the one before has the lock", turns[i+1:]...)
		if i%2 == 0 {
			o.gives()
			continue
		}
		changed := p.next(rec, strconv.Itoa(i))
		p.ok("WriteRelease", o.write(changed, rec.Version))
		rec = changed
	}
	p.owner(nodes[0], id, "/last").holds("after all others")
}

func lockHanded(p *probe) {
	nodes := p.nodes()
	rec := p.record("0")
	id := p.create(nodes[0], rec)
	for i := range 4 {
		a, b, c := p.owner(nodes[i/2], id, "/a"), p.owner(nodes[1-i/2], id, "/b"), p.owner(nodes[i/2], id, "/c")
		a.holds("Acquire")
		got := b.waits()
		changed := p.next(rec, strconv.Itoa(i))
		if i%2 == 0 {
			p.ok("WriteRelease", a.write(changed, rec.Version))
		} else {
			p.ok("Write", nodes[i/2].Write(p.ctx, id, changed, rec.Version))
			a.gives()
		}
		turn := b.gets("after a release", got)
		p.ok("the turn of one who waits", turn.err)
		if diff := difference(turn.lock.Record, changed); diff != "" {
			p.fatalf("the turn of one who waits: %s", diff)
		}
		c.refused("after the turn of one who waited")
		p.ok("Extend", b.extend(life))
		rec = p.next(changed, "by the one who waited")
		p.ok("WriteRelease of the one who waited", b.write(rec, changed.Version))
	}
}

func lockOvertake(p *probe) {
	nodes := p.nodes()
	rec := p.record("0")
	id := p.create(nodes[0], rec)
	for i, release := range []func(o *owner) error{
		func(o *owner) error { return o.l.Release(p.ctx, id, o.ask.Token) },
		func(o *owner) error { return o.write(p.next(rec, "1"), rec.Version) },
	} {
		a, b, c := p.owner(nodes[i], id, "/a"), p.owner(nodes[1-i], id, "/b"), p.owner(nodes[i], id, "/c")
		a.holds("Acquire")
		b.ask.Wait = life
		b.refused("Acquire of one who is going to wait")
		p.ok("release", release(a))
		c.refused("at the moment of the release")
		a.refused("at the moment of its own release")
		b.holds("at the moment of the release")
		b.gives()
	}
}

func lockQueueLeave(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	first := p.owner(nodes[0], id, "/first")
	first.holds("Acquire")
	a, b, c := p.owner(nodes[1], id, "/a"), p.owner(nodes[0], id, "/b"), p.owner(nodes[1], id, "/c")
	a.ask.Wait = life
	a.refused("Acquire of one who is going to wait")
	b.ask.Wait = life
	b.refused("Acquire of one who is going to wait")
	turn := c.waits()
	a.gives()
	first.gives()
	b.holds("at the moment of the release")
	p.waiting("while the one before has the lock", turn)
	b.gives()
	c.served("after a release", turn, false)
}

func lockQueueDead(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	first := p.owner(nodes[0], id, "/first")
	first.holds("Acquire")
	dead, b := p.owner(nodes[1], id, "/dead"), p.owner(nodes[0], id, "/b")
	dead.ask.Wait = life
	lock := dead.refused("Acquire of one who is going to wait")
	got := b.waits()
	first.gives()
	t := b.gets("when the one before is dead", got)
	p.ok("the turn of the one behind the dead", t.err)
	told := false // that it has the lock; else it has left nothing behind
	select {
	case handed := <-lock.Wake:
		told = handed.Held
	default:
	}
	if t.lock.Unclean != told {
		p.fatalf("a waiter was told that it has the lock: %v, and died; the next one is told Unclean = %v", told, t.lock.Unclean)
	}
}

func lockQueueNone(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	a, b, c := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b"), p.owner(nodes[0], id, "/c")
	a.holds("Acquire")
	b.refused("Acquire of one who does not wait")
	c.ask.Wait = -time.Second
	c.refused("Acquire of one who does not wait")
	a.gives()
	p.owner(nodes[1], id, "/d").holds("after the release, when nobody waits")
}

func lockQueueFull(p *probe) {
	nodes := p.nodes()
	p.inTime(func(time.Duration) bool {
		id := p.create(nodes[0], p.record("payload"))
		first := p.owner(nodes[0], id, "/first")
		first.holds("Acquire")
		begin := time.Now()
		var queue []*owner
		for i := range session.MaxLockQueue {
			o := p.owner(nodes[i%2], id, "/"+strconv.Itoa(i))
			o.ask.Wait = life
			if _, err := o.acquire(); err != nil {
				p.fatalf("waiter %d: got error %q, want none", i+1, err)
			}
			queue = append(queue, o)
		}
		late := p.owner(nodes[0], id, "/late")
		late.ask.Wait = life
		lock, err := late.acquire()
		if time.Since(begin) > time.Second { // by now the first ones may count as dead
			return false
		}
		p.want("one waiter too many", err, session.ErrLocked)
		if lock.Holder.Path != "/first" {
			p.fatalf("whoever finds the queue full is told that %q has the lock, want /first", lock.Holder.Path)
		}
		queue[1].gives()
		late.refused("after somebody has left the queue")
		first.gives()
		queue[0].holds("after the release")
		return true
	})
}

func lockRace(p *probe) {
	const counters, each = 8, 4
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("0"))
	var inside atomic.Int32
	p.parallel(counters, func(i int) {
		for n := range each {
			o := p.owner(nodes[i%2], id, "/"+strconv.Itoa(i))
			o.ask.Wait = life
			lock, err := o.patient(o.acquire())
			p.ok("Acquire", err)
			if inside.Add(1) > 1 {
				p.fatalf("two have the lock")
			}
			p.pause()
			count, err := strconv.Atoi(string(lock.Record.Payload))
			p.ok("reading the counter", err)
			inside.Add(-1)
			next := p.next(lock.Record, strconv.Itoa(count+1))
			p.ok("WriteRelease", o.write(next, lock.Record.Version))
			if n%2 == 0 { // as if the reply was lost; others may have written since
				if err := o.write(next, lock.Record.Version); err != nil {
					p.want("repeated WriteRelease", err, session.ErrLockLost)
				}
			}
		}
	})
	rec, err := nodes[1].Read(p.ctx, id)
	p.ok("Read", err)
	if want := strconv.Itoa(counters * each); string(rec.Payload) != want {
		p.fatalf("the counter is %q, want %s", rec.Payload, want)
	}
}
