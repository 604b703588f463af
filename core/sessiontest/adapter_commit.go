package sessiontest

import (
	"net/http"
	"sync/atomic"

	"github.com/nonstick-go/nonstick/core/session"
)

func commitCases(h AdapterHarness) []adapterCase {
	var cases []adapterCase
	for _, r := range h.responses() {
		cases = append(cases, adapterCase{"commit/" + r.name, "What a handler sets is stored, in one write, and the cookie " +
			"is sent, with the first byte of the response, whatever the response is; the rest of the response is the " +
			"handler's.", func(p *adapterProbe) { committed(p, r) }})
	}
	return cases
}

func committed(p *adapterProbe, r response) {
	m := p.manager(session.Options{})
	s := p.respond(m, r, func(c Call) error {
		c.SetHeader("X-Handler", "yes")
		return set(c, "k", "v")
	})
	v := s.visitor()
	a := v.ask(r)
	if r.body == anyBody {
		r.body = a.body
	}
	a.want(r.status, r.body).wantHeader("X-Handler", "yes").wantHeader("Content-Encoding", "")
	a.wantCookie()
	if n := len(a.cookies()); n != 1 {
		p.fatalf("%s: %d session cookies, want one", a.what, n)
	}
	if n := m.calls(); n != 1 {
		p.fatalf("a new session cost %d store calls, want 1", n)
	}
	v.holds("after the response", "k", "v")
	again := v.ask(r)
	again.want(r.status, again.body).wantNoCookie()
}

func failedCommitCases(h AdapterHarness) []adapterCase {
	var cases []adapterCase
	for _, r := range h.responses() {
		cases = append(cases, adapterCase{"failed-commit/" + r.name, "If the commit fails the response is ErrorResponse, " +
			"with Retry-After and without a byte or a describing header of the handler's; what was stored before stays, and " +
			"so does the cookie.", func(p *adapterProbe) { failedCommit(p, r) }})
	}
	return append(cases,
		adapterCase{"failed-commit/keeps-connection", "After a failed commit the connection serves the next request.",
			keepsConnection},
		adapterCase{"failed-commit/status", "The status of a failed commit is StatusCode of its error.", failedStatus},
		adapterCase{"failed-commit/custom", "A failed commit is answered with Options.ErrorResponse.", customResponse},
		adapterCase{"failed-commit/stream-ends", "After a failed commit the visitor has the error response at once, and a " +
			"handler that streams is told: its writes fail, or its context ends when the visitor has gone.", failedStreamEnds},
	)
}

func failedCommit(p *adapterProbe, r response) {
	m := p.manager(session.Options{})
	var down atomic.Bool
	s := p.respond(m, r, func(c Call) error {
		if !down.Load() {
			return nil
		}
		disguise(c)
		return set(c, "k", "after")
	})
	v := s.known()
	down.Store(true)
	m.store.Before(OpWrite, -1, Fail)
	for _, who := range []*visitor{v, s.visitor()} {
		who.ask(r).wantReplaced(r, m.ErrorResponse(session.ErrUnavailable))
	}
	down.Store(false)
	m.store.Heal()
	v.holds("after the failed commit", "k", "before")
	if n := m.events.count(session.EventFailed); n != 2 {
		p.fatalf("the observer heard of %d failures, want 2", n)
	}
}

// wantReplaced ends the case unless the answer is want, and nothing of the handler's.
func (a *answer) wantReplaced(r response, want session.Response) {
	body := string(want.Body)
	if r.method == http.MethodHead {
		body = ""
	}
	a.want(want.Status, body).wantHeader("Cache-Control", "no-store").wantSameToken()
	for name := range handlerHeaders() {
		if name != "Content-Type" {
			a.wantHeader(name, "")
		}
	}
	a.wantHeader("Content-Type", want.ContentType).wantHeader("Content-Encoding", "").wantHeader("Content-Range", "")
	a.wantHeader("Access-Control-Allow-Origin", "https://example.com")
	if (a.header.Get("Retry-After") != "") != (want.Status == http.StatusServiceUnavailable) {
		a.p.fatalf("%s: header Retry-After is %q with status %d", a.what, a.header.Get("Retry-After"), a.status)
	}
}

func keepsConnection(p *adapterProbe) {
	s := p.open()
	s.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	v := s.known()
	for range 3 {
		s.store.Before(OpWrite, 2, Fail) // the first try and the second
		v.get("/set?key=k&value=after").wantError(session.ErrUnavailable)
		v.holds("after the failed commit", "k", "before")
	}
	if n := s.listener.accepted.Load(); n > 3 { // on a slow machine the client gives up a connection now and then
		p.fatalf("the requests took %d connections, want 1", n)
	}
}

func failedStatus(p *adapterProbe) {
	m := p.manager(session.Options{MaxBytes: 1 << 10})
	end := make(chan func(), 1)
	s := p.serve(m, []Layer{{Sessions: m.Manager}},
		Route{"GET", "/late", func(c Call) error {
			if err := set(c, "k", "after"); err != nil {
				return err
			}
			(<-end)()
			return write(small)(p, c)
		}},
		Route{"GET", "/large", func(c Call) error {
			if err := set(c, "k", large()); err != nil {
				return err
			}
			return write(small)(p, c)
		}},
		Route{"GET", "/end", func(c Call) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			if err := s.Destroy(); err != nil {
				return err
			}
			return done(c)
		}},
	)
	v := s.known()
	v.get("/large").wantError(session.ErrTooLarge).wantHeader("Retry-After", "")
	v.holds("after the session grew too large", "k", "before")
	other := *v
	end <- func() { other.get("/end") }
	v.get("/late").wantError(session.ErrNotFound).wantSameToken()
	s.dead("a session that ended while a request was changing it", v.token)
}

func customResponse(p *adapterProbe) {
	want := session.Response{Status: http.StatusServiceUnavailable, ContentType: "application/json",
		Body: []byte(`{"error":"later"}`)}
	m := p.manager(session.Options{ErrorResponse: func(error) session.Response { return want }})
	s := p.serve(m, []Layer{{Sessions: m.Manager}})
	m.store.Before(OpWrite, -1, Fail)
	s.visitor().get("/set?key=k&value=v").want(want.Status, string(want.Body)).wantHeader("Content-Type", want.ContentType)
}
