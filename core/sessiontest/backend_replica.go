package sessiontest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// lag is how long a replica may take until it has what was written, on a busy machine.
const lag = 20 * time.Second

func replicaCases() []backendCase {
	return []backendCase{
		{"replica-follows", "ReadReplica returns what is stored, or was before, and in the end what is stored.", replicaFollows},
		{"replica-other", "A replica's sessions do not mix, and what ReadReplica returns is the caller's to change.", replicaOther},
		{"replica-forgets", "A destroyed session is in no replica in the end, and neither is one that expired.", replicaForgets},
		{"replica-error", "After Close ReadReplica is ErrClosed, and with a context that has ended it is an error that says nothing.",
			replicaError},
	}
}

// follow reads replicas until they have want, and ends the case when they return what was never stored.
func (p *probe) follow(h session.Handler, id session.ID, want session.Record, before ...session.Record) {
	r, ok := h.(session.ReplicaReader)
	if !ok {
		p.fatalf("the Handler is no ReplicaReader")
	}
	for end := time.Now().Add(lag); ; time.Sleep(time.Millisecond) {
		got, err := r.ReadReplica(p.ctx, id)
		diff := difference(got, want)
		switch {
		case err == nil && diff == "":
			clear(got.Payload)
			return
		case err == nil && !slices.ContainsFunc(before, func(old session.Record) bool { return difference(got, old) == "" }):
			p.fatalf("a replica has what was never stored: %s", diff)
		case time.Now().After(end):
			p.fatalf("after %v no replica has what was stored: %v %s", lag, err, diff)
		}
	}
}

func replicaFollows(p *probe) {
	nodes := p.nodes()
	stored := []session.Record{p.record("first")}
	id := p.create(nodes[0], stored[0])
	p.follow(nodes[1], id, stored[0])
	for i, payload := range []string{"second", "third"} {
		next := p.next(stored[i], payload)
		p.ok("change", nodes[0].Write(p.ctx, id, next, stored[i].Version))
		p.follow(nodes[1], id, next, stored...)
		stored = append(stored, next)
	}
	if p.Toucher {
		touched := stored[len(stored)-1]
		touched.Seen = touched.Seen.Add(time.Minute)
		p.ok("Touch", p.touch(p.ctx, nodes[1], id, touched))
		p.follow(nodes[0], id, touched, stored...)
	}
}

func replicaOther(p *probe) {
	nodes := p.nodes()
	mine, other := p.record("mine"), p.record("another one's")
	id, next := p.create(nodes[0], mine), p.create(nodes[1], other)
	for range 2 {
		p.follow(nodes[0], id, mine)
		p.follow(nodes[0], next, other)
	}
	none := p.id()
	err := p.replica(p.ctx, nodes[0], none)
	for end := time.Now().Add(lag); err != nil && !errors.Is(err, session.ErrNotFound) && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // in a cluster it is on any replica, perhaps on one that was not asked for anything yet
		err = p.replica(p.ctx, nodes[0], none)
	}
	p.want("ReadReplica of nothing", err, session.ErrNotFound)
}

func replicaForgets(p *probe) {
	nodes := p.nodes()
	rec, brief := p.record("destroyed"), p.record("expires")
	brief.TTL = 2 * prompt
	destroyed, expired := p.create(nodes[0], rec), p.create(nodes[0], brief)
	p.follow(nodes[1], destroyed, rec)
	p.ok("Destroy", nodes[0].Destroy(p.ctx, destroyed))
	p.sleepUntil(brief.Deadline().Add(grace))
	for _, id := range []session.ID{destroyed, expired} {
		for end := time.Now().Add(lag); !errors.Is(p.replica(p.ctx, nodes[1], id), session.ErrNotFound); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				p.fatalf("after %v a replica still has a session that is over", lag)
			}
		}
	}
}

func replicaError(p *probe) {
	h := p.open()
	rec := p.record("alive")
	id := p.create(h, rec)
	p.follow(h, id, rec)
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	err := p.prompt("ReadReplica", func() error { return p.replica(cancelled, h, id) })
	if err == nil {
		p.fatalf("ReadReplica with a cancelled context: got no error")
	}
	p.unanswered("ReadReplica with a cancelled context", err)
	if p.Closer {
		p.ok("Close", p.shut(h))
		p.want("ReadReplica after Close", p.replica(p.ctx, h, id), session.ErrClosed)
	}
}
