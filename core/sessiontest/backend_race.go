package sessiontest

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/nonstick-go/nonstick/core/session"
)

func raceCases() []backendCase {
	return []backendCase{
		{"race-writers",
			"Write is one atomic step: of 20 writers at a time, on two nodes, that repeat refused changes, none loses anything.",
			raceWriters},
		{"race-creators",
			"Write is one atomic step: of many that create one session at once, exactly one succeeds.", raceCreators},
		{"race-readers",
			"Write is one atomic step: a reader sees one write or another, never a mixture.", raceReaders},
		{"race-destroy",
			"Destroy wins against every write and touch that began before it: in 200 rounds the session never lives on.",
			raceDestroy},
	}
}

// latest returns the record that stands in the way of a refused write.
func (p *probe) latest(h session.Handler, id session.ID, refusal error) (session.Record, error) {
	if conflict, ok := errors.AsType[*session.ConflictError](refusal); ok {
		return conflict.Newest, nil
	}
	return h.Read(p.ctx, id)
}

func raceWriters(p *probe) {
	const writers, each = 20, 5
	nodes := p.nodes()
	id := p.create(nodes[0], p.record("0"))
	p.parallel(writers, func(writer int) {
		h := nodes[writer%2]
		rec, err := h.Read(p.ctx, id)
		p.ok("Read", err)
		refusals := 0
		for done := 0; done < each; {
			count, err := strconv.Atoi(string(rec.Payload))
			if err != nil {
				p.fatalf("the counter is %q", rec.Payload)
			}
			next := p.next(rec, strconv.Itoa(count+1))
			p.pause() // let others in between reading and writing
			err = h.Write(p.ctx, id, next, rec.Version)
			switch {
			case err == nil:
				done++
				if err := h.Write(p.ctx, id, next, rec.Version); err != nil { // as if the reply was lost
					p.want("repeated change", err, session.ErrConflict)
				}
				rec = next
			case refusals > writers*each:
				p.fatalf("a change was refused more often than others can have succeeded")
			default:
				refusals++
				p.want("change", err, session.ErrConflict)
				rec, err = p.latest(h, id, err)
				p.ok("Read after a conflict", err)
			}
		}
	})
	rec, err := nodes[1].Read(p.ctx, id)
	p.ok("Read", err)
	if string(rec.Payload) != strconv.Itoa(writers*each) {
		p.fatalf("%d changes succeeded, but the counter is %q", writers*each, rec.Payload)
	}
}

func raceCreators(p *probe) {
	const creators, rounds = 20, 5
	nodes := p.nodes()
	for range rounds {
		id := p.id()
		var winner atomic.Pointer[session.Record]
		p.parallel(creators, func(i int) {
			rec := p.record(fmt.Sprintf("creator %d", i))
			err := nodes[i%2].Write(p.ctx, id, rec, session.Version{})
			if err != nil {
				p.want("creation", err, session.ErrExists)
			} else if !winner.CompareAndSwap(nil, &rec) {
				p.fatalf("two creations of one session have succeeded")
			}
		})
		if winner.Load() == nil {
			p.fatalf("none of %d creations of one session has succeeded", creators)
		}
		p.stored(nodes[0], id, *winner.Load())
	}
}

func raceReaders(p *probe) {
	const changes = 40
	nodes := p.nodes()
	payload := func(version session.Version) string { // tells the version, and is of another length each time
		return string(bytes.Repeat(version[7:8], 1+int(version[7])*64))
	}
	rec := p.record("")
	rec.Payload = []byte(payload(rec.Version))
	id := p.create(nodes[0], rec)
	p.parallel(4, func(worker int) {
		mine := rec
		for range changes {
			if worker == 0 {
				next := p.next(mine, "")
				next.Payload = []byte(payload(next.Version))
				p.ok("change", nodes[0].Write(p.ctx, id, next, mine.Version))
				mine = next
				p.pause() // else it may be over before anybody reads
				continue
			}
			got, err := nodes[worker%2].Read(p.ctx, id)
			p.ok("Read during changes", err)
			if string(got.Payload) != payload(got.Version) {
				p.fatalf("Read returned a payload of %d bytes with the version of another", len(got.Payload))
			}
		}
	})
}

func raceDestroy(p *probe) {
	const workers, rounds = 8, 25
	nodes := p.nodes()
	p.parallel(workers, func(worker int) {
		for round := range rounds {
			p.destroyRound(nodes, worker+round)
		}
	})
}

// destroyRound destroys a session while two writers and a toucher work on it.
func (p *probe) destroyRound(nodes [2]session.Handler, variant int) {
	rec := p.record("alive")
	id := p.create(nodes[0], rec)
	ended := make(chan struct{}, 3)
	work := func(step func()) {
		go func() {
			defer func() { ended <- struct{}{} }()
			defer p.caught()
			step()
		}()
	}
	work(func() { p.changeUntilGone(nodes[0], id, rec) })
	work(func() { p.changeUntilGone(nodes[1], id, rec) })
	work(func() {
		for i := 0; p.Toucher && i < 4; i++ {
			if err := p.touch(p.ctx, nodes[i%2], id, rec); err != nil {
				p.want("Touch during Destroy", err, session.ErrNotFound)
			}
			runtime.Gosched()
		}
	})
	for range variant % 16 {
		runtime.Gosched()
	}
	err := nodes[variant%2].Destroy(p.ctx, id)
	_, readErr := nodes[(variant+1)%2].Read(p.ctx, id)
	for range 3 {
		<-ended
	}
	p.ok("Destroy", err)
	p.want("Read right after Destroy", readErr, session.ErrNotFound)
	p.gone("after all that began before Destroy has ended", nodes[0], id)
}

// changeUntilGone changes a session a few times, as requests in flight do.
func (p *probe) changeUntilGone(h session.Handler, id session.ID, rec session.Record) {
	for range 4 {
		next := p.next(rec, "late")
		runtime.Gosched()
		err := h.Write(p.ctx, id, next, rec.Version)
		if err == nil {
			rec = next
			continue
		}
		if errors.Is(err, session.ErrConflict) {
			rec, err = p.latest(h, id, err)
		}
		if err != nil {
			p.want("change during Destroy", err, session.ErrNotFound)
			return
		}
	}
}
