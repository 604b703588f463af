package sessiontest

import (
	"net/http"
	"net/netip"

	"github.com/nonstick-go/nonstick/core/session"
)

func bindingCases() []adapterCase {
	return []adapterCase{
		{"binding/address", "The header of a request tells who has sent it (session.RequestPeer), and the headers of " +
			"proxies; so a session that is bound to an address cannot be had from another.", bindingAddress},
	}
}

func bindingAddress(p *adapterProbe) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	m := p.manager(session.Options{Binding: session.Binding{Address: session.BindRefuse, TrustedProxies: []netip.Prefix{loopback}}})
	s := p.serve(m, []Layer{{Sessions: m.Manager}})
	v := s.known()
	v.get("/get?key=k", "X-Forwarded-For", "192.0.2.7").want(http.StatusOK, "")
	v.get("/get?key=k", "X-Forwarded-For", "127.0.0.1").want(http.StatusOK, "before")
	v.holds("from the address where it began", "k", "before")
	if n := s.events.count(session.EventMoved); n != 1 {
		p.fatalf("the Observer heard of %d changes of the address, want 1", n)
	}
}
