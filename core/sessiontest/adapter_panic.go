package sessiontest

import (
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func panicCases() []adapterCase {
	return []adapterCase{
		{"panic/recovered-outside", "When the handler panics and nobody inside the session's middleware recovers, nothing " +
			"is stored and no cookie is sent: half of a request's changes are worse than none.", panicOutside},
	}
}

func panicOutside(p *adapterProbe) {
	m := p.manager(session.Options{})
	s := p.serve(m, []Layer{{Recover: true}, {Sessions: m.Manager}}, Route{"GET", "/panic", func(c Call) error {
		if err := set(c, "k", "after"); err != nil {
			return err
		}
		panic("the handler's")
	}})
	v := s.known()
	writes := m.store.Calls(OpWrite)
	for _, who := range []*visitor{v, s.visitor()} {
		if a := who.get("/panic").wantSameToken(); a.status != http.StatusInternalServerError {
			p.fatalf("GET /panic: status is %d, want 500", a.status)
		}
	}
	if n := m.store.Calls(OpWrite) - writes; n != 0 {
		p.fatalf("handlers that panicked cost %d writes, want none", n)
	}
	v.holds("after the panic", "k", "before")
}
