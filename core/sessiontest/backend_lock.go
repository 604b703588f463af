package sessiontest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func lockCases(s *suite) []backendCase {
	cases := []backendCase{
		{"lock-acquire", "Acquire takes the lock of a session and reads the session; one that can be had has no dirty past.",
			lockAcquire},
		{"lock-excludes", "The session is lent to one holder at a time; others learn who that is, and nothing of the session.",
			lockExcludes},
		{"lock-sessions", "Each session has a lock of its own.", lockSessions},
		{"lock-absent",
			"A session that is absent, expired or destroyed is ErrNotFound for all but Release, and nothing is stored for it.",
			lockAbsent},
		{"lock-release", "Release gives the lock back; a token that has neither lock nor place is no error.", lockRelease},
		{"lock-destroy", "Lock and queue live and die with the session.", lockDestroy},
		{"lock-expired", "Lock and queue live and die with the session, also when its time has run out.", lockExpired},
		{"lock-plain", "Write and Touch pay no heed to a lock, and the lock changes nothing of the session.", lockPlain},
		{"lock-write", "WriteRelease stores the record and releases the lock.", lockWrite},
		{"lock-write-conflict",
			"A change under the holder's feet is one that its WriteRelease meets as ErrConflict; then the lock is still held.",
			lockWriteConflict},
		{"lock-write-again", "WriteRelease is idempotent: what was applied before is nil, and changes nothing.", lockWriteAgain},
		{"lock-write-stranger", "WriteRelease of a token that does not hold the lock is ErrLockLost and stores nothing.",
			lockWriteStranger},
		{"lock-alias", "Neither side keeps the other's memory: records go in and out as copies.", lockAlias},
	}
	if s.TooLarge > 0 {
		cases = append(cases, backendCase{"lock-write-too-large", "After ErrTooLarge the lock is still held.", lockWriteTooLarge})
	}
	if s.Garble != nil {
		cases = append(cases, backendCase{"lock-corrupt", "What is no Record is ErrCorrupt for Acquire too.", lockCorrupt})
	}
	return slices.Concat(cases, lockQueueCases(), lockLeaseCases())
}

func lockAcquire(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	for _, h := range nodes {
		a := p.owner(h, id, "/a")
		for range 2 { // who holds the lock already gets it again
			lock := a.holds("Acquire")
			if diff := difference(lock.Record, rec); diff != "" {
				p.fatalf("Acquire: %s", diff)
			}
			if lock.Unclean || lock.Holder != (session.Holder{}) {
				p.fatalf("a lock that nobody has had says Unclean, or names a holder")
			}
		}
		changed := p.next(rec, "changed")
		p.ok("change", nodes[0].Write(p.ctx, id, changed, rec.Version))
		if lock := a.holds("Acquire"); lock.Record.Version != changed.Version {
			p.fatalf("Acquire has read an old record")
		}
		rec = changed
		a.gives()
	}
}

func lockExcludes(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	a := p.owner(nodes[0], id, "/a")
	a.ask.Holder = session.Holder{Method: "PROPFIND", Path: strings.Repeat("/ü\x00\"'", 33), Node: "node \n1"}
	a.holds("Acquire")
	for _, h := range nodes {
		for range 2 {
			lock := p.owner(h, id, "/b").refused("Acquire of another one")
			if diff := difference(lock.Record, session.Record{}); diff != "" {
				p.fatalf("who does not hold the lock gets a record")
			}
			got := lock.Holder
			if since := time.Since(got.Since); since < -life || since > life {
				p.fatalf("the holder has the lock since %v", got.Since)
			}
			if got.Since = (time.Time{}); got != a.ask.Holder {
				p.fatalf("the holder is %q, want %q", got, a.ask.Holder)
			}
		}
	}
	a.holds("Acquire after others have tried")
}

func lockSessions(p *probe) {
	nodes := p.nodes()
	rec := p.record("payload")
	first := p.create(nodes[0], rec)
	a := p.owner(nodes[0], first, "/a")
	a.holds("Acquire")
	second := p.create(nodes[0], rec)
	b := p.owner(nodes[1], second, "/b")
	b.ask.Token = a.ask.Token // tokens of different sessions have nothing to do with each other
	b.holds("Acquire of another session")
	b.gives()
	p.owner(nodes[1], first, "/c").refused("after the release of another session")
	p.owner(nodes[0], second, "/d").holds("after its release")
}

func lockAbsent(p *probe) {
	nodes := p.nodes()
	rec := p.record("payload")
	destroyed := p.create(nodes[0], rec)
	p.ok("Destroy", nodes[1].Destroy(p.ctx, destroyed))
	for _, id := range []session.ID{p.id(), destroyed} {
		a := p.owner(nodes[0], id, "/a")
		for range 2 {
			_, err := a.acquire()
			p.want("Acquire without a session", err, session.ErrNotFound)
			p.want("Extend without a session", a.extend(life), session.ErrNotFound)
			for _, prev := range []session.Version{rec.Version, {}} {
				p.want("WriteRelease without a session", a.write(p.next(rec, "late"), prev), session.ErrNotFound)
			}
			a.gives()
			p.gone("after calls of a Locker", nodes[1], id)
		}
	}
}

func lockRelease(p *probe) {
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("payload"))
	a, stranger := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/stranger")
	stranger.gives()
	a.holds("Acquire")
	stranger.gives()
	stranger.refused("after a stranger's Release")
	a.gives()
	a.gives()
	b := p.owner(nodes[1], id, "/b")
	if lock := b.holds("after Release"); lock.Unclean {
		p.fatalf("a lock that was released says Unclean")
	}
	a.gives()
	stranger.refused("after the Release of a former holder")
}

func lockDestroy(p *probe) {
	nodes := p.nodes()
	rec := p.record("payload")
	id := p.create(nodes[0], rec)
	a, b := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b")
	a.holds("Acquire")
	got := b.waits()
	p.ok("Destroy", nodes[1].Destroy(p.ctx, id))
	p.want("WriteRelease after Destroy", a.write(p.next(rec, "late"), rec.Version), session.ErrNotFound)
	p.want("Extend after Destroy", a.extend(life), session.ErrNotFound)
	p.want("Acquire of one who waits, after Destroy", b.gets("the end of the session", got).err, session.ErrNotFound)
	p.gone("after the calls of a holder", nodes[0], id)
	p.ok("creating it anew", nodes[0].Write(p.ctx, id, p.record("anew"), session.Version{}))
	p.want("WriteRelease of a holder from before Destroy", a.write(p.next(rec, "late"), rec.Version), session.ErrLockLost)
	p.owner(nodes[1], id, "/c").holds("of a session that was created anew")
}

func lockExpired(p *probe) {
	nodes := p.nodes()
	p.inTime(func(span time.Duration) bool {
		rec := p.record("payload")
		rec.TTL = span
		id, ok := p.createShort(nodes[0], rec)
		if !ok {
			return false
		}
		a := p.owner(nodes[0], id, "/a")
		if _, err := a.acquire(); errors.Is(err, session.ErrNotFound) {
			return false
		}
		p.sleepUntil(rec.Deadline().Add(grace))
		_, err := a.acquire()
		p.want("Acquire of an expired session", err, session.ErrNotFound)
		p.want("Extend of an expired session", a.extend(life), session.ErrNotFound)
		p.want("WriteRelease of an expired session", a.write(p.record("late"), rec.Version), session.ErrNotFound)
		p.ok("creating it anew", nodes[1].Write(p.ctx, id, p.record("anew"), session.Version{}))
		p.owner(nodes[1], id, "/b").holds("of a session that has taken the place of an expired one")
		return true
	})
}

func lockPlain(p *probe) {
	nodes := p.nodes()
	rec := p.record("first")
	id := p.create(nodes[0], rec)
	a, b := p.owner(nodes[0], id, "/a"), p.owner(nodes[1], id, "/b")
	a.holds("Acquire")
	b.ask.Wait = life
	b.refused("Acquire of another one")
	p.stored(nodes[1], id, rec)
	changed := p.next(rec, "second")
	p.ok("Write of a locked session", nodes[1].Write(p.ctx, id, changed, rec.Version))
	p.ok("Extend", a.extend(life))
	if p.Toucher {
		changed.Seen = changed.Seen.Add(time.Minute)
		p.ok("Touch of a locked session", p.touch(p.ctx, nodes[1], id, changed))
	}
	p.stored(nodes[0], id, changed)
	p.owner(nodes[1], id, "/c").refused("after a plain Write")
	a.gives()
	p.stored(nodes[1], id, changed)
}
