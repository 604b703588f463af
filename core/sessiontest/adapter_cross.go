package sessiontest

import (
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func crossOriginCases() []adapterCase {
	return []adapterCase{
		{"cross-origin/refused", "The adapter's protection refuses what another site has made a browser send, before any " +
			"handler or store sees it, and nothing else (ASVS 3.5.1).", crossOrigin},
	}
}

func crossOrigin(p *adapterProbe) {
	m := p.manager(session.Options{})
	post := Route{"POST", "/change", func(c Call) error {
		if err := set(c, "k", "after"); err != nil {
			return err
		}
		return done(c)
	}}
	s := p.serve(m, []Layer{{Protect: true}, {Sessions: m.Manager}}, post)
	v := s.known()
	calls := s.calls()
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site", "Origin", "http://" + s.addr},
		{"Origin", "https://other.example"},
		{"Origin", "null"},
	} {
		a := v.do("POST", "/change", header...).wantNoCookie()
		if a.status != http.StatusForbidden {
			p.fatalf("%s with %q: status is %d, want 403", a.what, header, a.status)
		}
	}
	if n := s.calls() - calls; n != 0 {
		p.fatalf("requests that were refused cost %d store calls", n)
	}
	v.holds("after the requests that were refused", "k", "before")
	if a := v.get("/get?key=k", "Sec-Fetch-Site", "cross-site"); a.status != http.StatusOK {
		p.fatalf("a link from another site: status is %d, want 200", a.status)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + s.addr},
		{"Sec-Fetch-Site", "none"},
		{"Origin", "http://" + s.addr},
		nil, // no browser
	} {
		v.do("POST", "/change", header...).want(http.StatusOK, "done")
	}
	v.holds("after the requests from its own site", "k", "after")
}
