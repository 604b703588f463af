package sessiontest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func scopeCases() []adapterCase {
	return []adapterCase{
		{"scope/middleware", "Middlewares and handler of a request have the same *Session; what one sets the others " +
			"see.", middlewareSession},
		{"scope/context", "The request's context, and one derived from it, carry the session for whatever is called " +
			"with it.", contextSession},
		{"scope/no-middleware", "Without the middleware Get is ErrNoMiddleware, and its text says what to " +
			"do.", noMiddleware},
		{"scope/two-managers", "Two Managers on one route keep two sessions apart, each with a cookie of its " +
			"own.", twoManagers},
		{"scope/two-managers-one-down", "If one of two Managers cannot commit, the response is its " +
			"ErrorResponse.", twoManagersOneDown},
	}
}

func middlewareSession(p *adapterProbe) {
	m := p.manager(session.Options{})
	key := session.NewKey[[]string]("path")
	visit := func(c Call, name string) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		first, err := c.Session(session.ReadOnly)
		if err != nil || first != s {
			p.errorf("%s: a second Get returned another session, or error %v", name, err)
		}
		return key.Update(s, func(path []string) []string { return append(path, name) })
	}
	layer := func(name string) Layer {
		return Layer{Handle: func(c Call, next func() error) error {
			before, _ := c.Session()
			if err := visit(c, name); err != nil {
				return err
			}
			err := next()
			if after, _ := c.Session(); err == nil && after != before {
				p.errorf("%s: after the handler Get returned another session than before", name)
			}
			return err
		}}
	}
	layers := []Layer{{Sessions: m.Manager}, layer("outer"), layer("inner")}
	s := p.serve(m, layers, Route{"GET", "/visit", func(c Call) error {
		if err := visit(c, "handler"); err != nil {
			return err
		}
		s, err := get(c)
		if err != nil {
			return err
		}
		_, err = c.WriteString(strings.Join(key.Get(s), " "))
		return err
	}})
	v := s.visitor()
	v.get("/visit").want(http.StatusOK, "outer inner handler").wantCookie()
	v.get("/visit").want(http.StatusOK, "outer inner handler outer inner handler").wantSameToken()
}

func contextSession(p *adapterProbe) {
	s := p.open(Route{"GET", "/service", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		derived, cancel := context.WithTimeout(c.Context(), time.Minute)
		defer cancel()
		for _, ctx := range []context.Context{c.Context(), derived} {
			if same, err := session.Get(ctx); err != nil || same != s {
				p.errorf("session.Get of the request's context returned another session, or error %v", err)
			}
		}
		if err := session.NewKey[string]("k").Set(s, "service"); err != nil {
			return err
		}
		return done(c)
	}})
	v := s.visitor()
	v.get("/service").want(http.StatusOK, "done").wantCookie()
	v.holds("after the service", "k", "service")
}

func noMiddleware(p *adapterProbe) {
	m := p.manager(session.Options{})
	s := p.serve(m, nil, Route{"GET", "/bare", func(c Call) error {
		_, err := c.Session()
		if !errors.Is(err, session.ErrNoMiddleware) || session.StatusCode(err) != http.StatusInternalServerError {
			p.errorf("Get without the middleware: got error %v, want %q", err, session.ErrNoMiddleware)
		}
		if err != nil && !strings.Contains(err.Error(), "middleware") {
			p.errorf("Get without the middleware: the text of the error, %q, does not say what is missing", err)
		}
		if _, err := m.Get(c.Context()); !errors.Is(err, session.ErrNoMiddleware) {
			p.errorf("Manager.Get without the middleware: got error %v, want %q", err, session.ErrNoMiddleware)
		}
		return write(small)(p, c)
	}})
	s.visitor().get("/bare").want(http.StatusOK, small).wantSameToken()
}

// two serves a route behind two Managers.
func (p *adapterProbe) two() (outer, inner *managed, s *site) {
	outer = p.manager(session.Options{})
	inner = p.manager(session.Options{Cookie: session.Cookie{Name: "__Host-inner"}})
	layers := []Layer{{Sessions: outer.Manager}, {Sessions: inner.Manager}}
	s = p.serve(inner, layers, Route{"GET", "/both", func(c Call) error {
		a, err := outer.Get(c.Context())
		if err != nil {
			return err
		}
		b, err := inner.Get(c.Context())
		if err != nil {
			return err
		}
		if same, err := c.Session(); err != nil || same != b {
			p.errorf("the adapter's Get does not return the session of the innermost Manager: %v", err)
		}
		key := session.NewKey[int]("n")
		add := func(n int) int { return n + 1 }
		if err := errors.Join(key.Update(a, add), key.Update(b, add)); err != nil {
			return err
		}
		return done(c)
	}})
	return outer, inner, s
}

func twoManagers(p *adapterProbe) {
	outer, inner, s := p.two()
	first := s.visitor().get("/both").want(http.StatusOK, "done")
	both := (&http.Response{Header: first.header}).Cookies()
	if len(both) != 2 {
		p.fatalf("%d cookies arrived, want one from each Manager", len(both))
	}
	if outer.store.Calls(OpWrite) != 1 || inner.store.Calls(OpWrite) != 1 {
		p.fatalf("%d and %d writes, want one by each Manager", outer.store.Calls(OpWrite), inner.store.Calls(OpWrite))
	}
	again := s.visitor().get("/both", "Cookie", both[0].Name+"="+both[0].Value+"; "+both[1].Name+"="+both[1].Value)
	again.want(http.StatusOK, "done")
	if outer.events.count(session.EventCreated) != 1 || inner.events.count(session.EventCreated) != 1 {
		p.fatalf("a visitor who has both sessions got a new one")
	}
}

func twoManagersOneDown(p *adapterProbe) {
	outer, inner, s := p.two()
	for name, down := range map[string]*managed{"outer": outer, "inner": inner} {
		down.store.Before(OpWrite, -1, Fail)
		a := s.visitor().get("/both").wantError(session.ErrUnavailable)
		for _, ck := range (&http.Response{Header: a.header}).Cookies() {
			if ck.Name == down.cookie {
				p.fatalf("the %s Manager failed to commit and sent a cookie", name)
			}
		}
		down.store.Heal()
	}
}
