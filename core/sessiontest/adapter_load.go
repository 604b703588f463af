package sessiontest

import (
	"errors"
	"net/http"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func loadCases() []adapterCase {
	return []adapterCase{
		{"failed-load/answer", "If the store cannot be read, Get is ErrUnavailable, the handler's own answer goes out, and " +
			"the visitor keeps the cookie: unavailable is never absent.", failedLoad},
		{"failed-load/budget", "A store that does not answer costs a request ReadTimeout, or CommitTimeout, and no " +
			"more.", stalledStore},
		{"failed-load/ignored", "A handler that ignores the error has no session: every Get of the request fails, and nothing " +
			"is stored or sent, least of all a session of somebody unknown.", ignoredError},
		{"failed-load/closed", "When the Manager is closed, Get is ErrClosed.", closedManager},
	}
}

func failedLoad(p *adapterProbe) {
	s := p.open(Route{"GET", "/own", func(c Call) error {
		_, err := c.Session()
		if !errors.Is(err, session.ErrUnavailable) {
			p.errorf("Get while the store fails: got error %v, want %q", err, session.ErrUnavailable)
		}
		c.SetHeader("Cache-Control", "no-cache")
		c.Status(session.StatusCode(err))
		_, err = c.WriteString("own answer")
		return err
	}})
	v := s.known()
	s.store.Before(OpRead, -1, Fail)
	v.get("/own").want(http.StatusServiceUnavailable, "own answer").wantSameToken().wantHeader("Cache-Control", "no-cache")
	if a := v.get("/get?key=k"); a.status != http.StatusServiceUnavailable {
		p.fatalf("a handler returned the error of Get with its StatusCode: status is %d, want 503", a.status)
	}
	s.store.Heal()
	v.holds("after the store has recovered", "k", "before")
}

func stalledStore(p *adapterProbe) {
	m := p.manager(session.Options{ReadTimeout: stalled, CommitTimeout: stalled})
	s := p.serve(m, []Layer{{Sessions: m.Manager}})
	v := s.visitor()
	for range 20 { // a slow machine may need more than one try
		if v.get("/set?key=k&value=before"); v.token != "" {
			break
		}
	}
	for _, op := range []Op{OpRead, OpWrite} {
		gate := NewGate()
		m.store.Before(op, -1, gate.Wait)
		start := time.Now()
		a := v.get("/set?key=k&value=after").wantSameToken()
		if took := time.Since(start); took < stalled/2 || took > stalled+arrival { // a slow machine
			p.errorf("%s: the answer took %v with a budget of %v", op, took, stalled)
		}
		if a.status != http.StatusServiceUnavailable {
			p.errorf("%s: status is %d, want 503", op, a.status)
		}
		gate.Open()
		m.store.Heal()
	}
}

func ignoredError(p *adapterProbe) {
	s := p.open(Route{"GET", "/ignore", func(c Call) error {
		if s, _ := c.Session(); s != nil {
			p.errorf("Get returned a session together with an error")
		}
		if s, err := c.Session(session.ReadOnly); s != nil || !errors.Is(err, session.ErrUnavailable) {
			p.errorf("the second Get of the request: got error %v, want %q again", err, session.ErrUnavailable)
		}
		return write(small)(p, c)
	}})
	v := s.known()
	writes := s.store.Calls(OpWrite)
	s.store.Before(OpRead, -1, Fail)
	v.get("/ignore").want(http.StatusOK, small).wantSameToken()
	if n := s.store.Calls(OpWrite) - writes + s.store.Calls(OpDestroy) + s.store.Calls(OpTouch); n != 0 {
		p.fatalf("the request changed the store %d times", n)
	}
	s.store.Heal()
	v.holds("after the store has recovered", "k", "before")
}

func closedManager(p *adapterProbe) {
	s := p.open(Route{"GET", "/closed", func(c Call) error {
		if _, err := c.Session(); !errors.Is(err, session.ErrClosed) {
			p.errorf("Get after Close: got error %v, want %q", err, session.ErrClosed)
		}
		return write(small)(p, c)
	}})
	v := s.known()
	p.ok("Close", s.managed.Close())
	v.get("/closed").want(http.StatusOK, small).wantSameToken()
}
