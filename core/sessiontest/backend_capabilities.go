package sessiontest

import (
	"context"
	"errors"
	"io"

	"github.com/nonstick-go/nonstick/core/session"
)

func capabilityCases(s *suite) []backendCase {
	cases := []backendCase{
		{"capabilities",
			"A capability that the harness declares is found by type assertion; one that it does not declare is not there.",
			func(p *probe) {
				h := p.open()
				_, closer := h.(io.Closer)
				p.declared("Toucher", p.Toucher, !errors.Is(p.touch(p.ctx, h, p.id(), p.record("")), errors.ErrUnsupported))
				p.declared("ReplicaReader", p.ReplicaReader, !errors.Is(p.replica(p.ctx, h, p.id()), errors.ErrUnsupported))
				p.declared("Pinger", p.Pinger, !errors.Is(p.ping(h), errors.ErrUnsupported))
				p.declared("Locker", p.Locker, !errors.Is(p.release(h), errors.ErrUnsupported))
				p.declared("io.Closer", p.Closer, closer)
			}},
	}
	if s.Pinger {
		cases = append(cases, backendCase{"ping", "Ping returns nil if reads and writes work.", func(p *probe) {
			p.ok("Ping", p.ping(p.open()))
		}})
	}
	return cases
}

func (p *probe) declared(name string, want, got bool) {
	if want && !got {
		p.errorf("the harness declares %s, the Handler has lost it", name)
	}
	if got && !want {
		p.errorf("the Handler has %s: declare it in the harness, so that it is tested", name)
	}
}

// release gives back a lock that nobody has.
func (p *probe) release(h session.Handler) error {
	if l, ok := h.(session.Locker); ok {
		return l.Release(p.ctx, p.id(), session.LockToken{1})
	}
	return errors.ErrUnsupported
}

// replica calls ReadReplica for its error.
func (p *probe) replica(ctx context.Context, h session.Handler, id session.ID) error {
	if r, ok := h.(session.ReplicaReader); ok {
		_, err := r.ReadReplica(ctx, id)
		return err
	}
	return errors.ErrUnsupported
}

func (p *probe) ping(h session.Handler) error {
	if pinger, ok := h.(session.Pinger); ok {
		return pinger.Ping(p.ctx)
	}
	return errors.ErrUnsupported
}
