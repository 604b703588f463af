package sessiontest

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/nonstick-go/nonstick/core/session"
)

func closeCases() []backendCase {
	return []backendCase{
		{"close", "After Close every method returns ErrClosed; a second Close does no harm, and other nodes go on.", closed},
		{"close-busy", "Close may come while calls are running; none of them takes it for an absent session.", closeBusy},
	}
}

func (p *probe) shut(h session.Handler) error {
	if c, ok := h.(io.Closer); ok {
		return c.Close()
	}
	p.fatalf("the Handler is no io.Closer")
	return nil
}

func closed(p *probe) {
	nodes := p.nodes()
	rec := p.record("alive")
	id := p.create(nodes[0], rec)
	p.ok("Close", p.shut(nodes[0]))
	for range 2 {
		for _, c := range p.calls(nodes[0], id, rec) {
			err := p.prompt(c.name, func() error { return c.do(p.ctx) })
			p.want(c.name+" after Close", err, session.ErrClosed)
		}
		p.ok("second Close", p.shut(nodes[0]))
	}
	if !p.Local {
		p.stored(nodes[1], id, rec)
	}
}

func closeBusy(p *probe) {
	const workers = 4
	h := p.open()
	var busy sync.WaitGroup
	var shut atomic.Bool
	busy.Add(workers)
	p.parallel(workers+1, func(i int) {
		if i == workers {
			defer shut.Store(true)
			busy.Wait()
			p.ok("Close during calls", p.shut(h))
			return
		}
		running := sync.OnceFunc(busy.Done)
		defer running()
		rec := p.record("alive")
		id := p.create(h, rec)
		for over := false; !over; running() {
			p.pause()
			over = shut.Load()
			for _, c := range p.calls(h, id, rec) {
				err := c.do(p.ctx)
				if over {
					p.want(c.name+" after Close", err, session.ErrClosed)
				} else if err != nil && !errors.Is(err, session.ErrClosed) && !errors.Is(err, session.ErrConflict) {
					p.want(c.name+" during Close", err, session.ErrUnavailable) // conflicts are with the round before
				}
			}
		}
	})
}
