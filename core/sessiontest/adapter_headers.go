package sessiontest

import (
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func headerCases() []adapterCase {
	return []adapterCase{
		{"headers/untouched", "A request that does not ask for its session costs no store call and changes no " +
			"header.", untouched},
		{"headers/anonymous", "Asking for a session that does not exist, and setting nothing, costs no store call and " +
			"no cookie.", anonymous},
		{"headers/read", "A response that depends on the session has Vary and, unless the handler decides otherwise, " +
			"Cache-Control: no-store.", readHeaders},
		{"headers/set", "A response that sets or deletes a token is never cached, whatever the handler says.", setHeaders},
		{"headers/unchanged", "A change costs one write and no cookie; setting the same value again costs " +
			"neither.", unchanged},
		{"headers/own-cookies", "Cookies that the handler sets are sent beside the session's.", ownCookies},
	}
}

func untouched(p *adapterProbe) {
	s := p.open()
	v := s.known()
	calls := s.calls()
	for _, who := range []*visitor{v, s.visitor()} {
		a := who.get("/plain").want(http.StatusOK, "plain").wantNoCookie()
		a.wantHeader("Vary", "").wantHeader("Cache-Control", "")
		if a := who.get("/nowhere").wantNoCookie().wantHeader("Vary", ""); a.status != http.StatusNotFound {
			p.fatalf("%s: status is %d, want 404", a.what, a.status)
		}
	}
	if n := s.calls() - calls; n != 0 {
		p.fatalf("requests that did not ask for their session cost %d store calls", n)
	}
}

func anonymous(p *adapterProbe) {
	s := p.open(Route{"GET", "/undo", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		key := session.NewKey[string]("k")
		if err := key.Set(s, "v"); err != nil {
			return err
		}
		if err := key.Delete(s); err != nil {
			return err
		}
		return done(c)
	}})
	s.visitor().get("/get?key=k").want(http.StatusOK, "").wantNoCookie()
	s.visitor().get("/undo").want(http.StatusOK, "done").wantNoCookie()
	if n := s.calls(); n != 0 {
		p.fatalf("visitors without a session cost %d store calls", n)
	}
}

// headerRoutes read or set after they have set headers of their own.
func headerRoutes() []Route {
	own := func(next func(c Call) error) func(c Call) error {
		return func(c Call) error {
			c.SetHeader("Cache-Control", "private, max-age=60")
			c.SetHeader("Vary", "Accept-Language")
			return next(c)
		}
	}
	return []Route{
		{"GET", "/read", own(func(c Call) error {
			if _, err := get(c); err != nil {
				return err
			}
			return done(c)
		})},
		{"GET", "/write", own(func(c Call) error {
			if err := set(c, "k", "v"); err != nil {
				return err
			}
			return done(c)
		})},
		{"GET", "/varies", func(c Call) error {
			c.SetHeader("Vary", "accept, cookie")
			if err := set(c, "k", "v"); err != nil {
				return err
			}
			return done(c)
		}},
	}
}

func readHeaders(p *adapterProbe) {
	s := p.open(headerRoutes()...)
	v := s.known()
	v.get("/get?key=k").want(http.StatusOK, "before").wantPrivate()
	s.visitor().get("/get?key=k").want(http.StatusOK, "").wantPrivate()
	v.get("/read").wantVary("Cookie").wantVary("Accept-Language").wantHeader("Cache-Control", "private, max-age=60")
}

func setHeaders(p *adapterProbe) {
	s := p.open(append(headerRoutes(), endRoutes()...)...)
	s.known().get("/logout").wantPrivate()
	s.visitor().get("/set?key=k&value=v").wantPrivate().wantCookie()
	s.visitor().get("/write").wantPrivate().wantVary("Accept-Language").wantCookie()
	s.visitor().get("/varies").wantPrivate().wantVary("Accept").wantCookie()
}

func unchanged(p *adapterProbe) {
	s := p.open()
	v := s.known()
	for _, value := range []string{"after", "after", "after"} {
		v.set("k", value).wantNoCookie()
	}
	if writes, reads := s.store.Calls(OpWrite), s.store.Calls(OpRead); writes != 2 || reads != 3 {
		p.fatalf("creating a session, changing it, and setting the same value twice: %d writes and %d reads, want 2 and 3",
			writes, reads)
	}
}

func ownCookies(p *adapterProbe) {
	s := p.open(Route{"GET", "/two", func(c Call) error {
		c.SetHeader("Set-Cookie", "theme=dark; Path=/")
		if err := set(c, "k", "v"); err != nil {
			return err
		}
		return write(small)(p, c)
	}})
	a := s.visitor().get("/two").want(http.StatusOK, small)
	a.wantCookie()
	if all := a.header.Values("Set-Cookie"); len(all) != 2 {
		p.fatalf("%d cookies arrived, want the handler's and the session's", len(all))
	}
}
