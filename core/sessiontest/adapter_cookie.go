package sessiontest

import (
	"net/http"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func cookieCases() []adapterCase {
	return []adapterCase{
		{"cookie/default", "The cookie is __Host-, Secure, HttpOnly, SameSite=Lax, for the whole host, and ends with " +
			"the browser.", defaultCookie},
		{"cookie/configured", "The cookie has the attributes that Options.Cookie names.", configuredCookie},
		{"cookie/header-instead", "With Options.Header the token travels in that header and in no cookie; the header is " +
			"empty when the session has ended.", headerTransport},
	}
}

func defaultCookie(p *adapterProbe) {
	s := p.open()
	got := s.visitor().get("/set?key=k&value=v").wantCookie()
	want := http.Cookie{Name: "__Host-session", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	p.sameCookie("a new session", got, want)
}

// fullCookie has every attribute.
func fullCookie() session.Cookie {
	return session.Cookie{Name: "__Secure-id", Path: "/app", Domain: "example.com", SameSite: http.SameSiteNoneMode,
		Partitioned: true, Persistent: true}
}

func configuredCookie(p *adapterProbe) {
	m := p.manager(session.Options{Cookie: fullCookie(), AbsoluteTimeout: time.Hour})
	s := p.serve(m, []Layer{{Sessions: m.Manager}})
	got := s.visitor().get("/set?key=k&value=v").wantCookie()
	if got.MaxAge < 3500 || got.MaxAge > 3600 {
		p.fatalf("a new session that lives an hour: the cookie's Max-Age is %d", got.MaxAge)
	}
	p.sameCookie("a new session", got, fullAttributes())
}

func fullAttributes() http.Cookie {
	return http.Cookie{Name: "__Secure-id", Path: "/app", Domain: "example.com", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteNoneMode, Partitioned: true, MaxAge: 1}
}

// sameCookie compares the attributes of a cookie. Any Max-Age is the same as another of the same sign.
func (p *adapterProbe) sameCookie(what string, got *http.Cookie, want http.Cookie) {
	same := got.Name == want.Name && got.Path == want.Path && got.Domain == want.Domain && got.Secure == want.Secure &&
		got.HttpOnly == want.HttpOnly && got.SameSite == want.SameSite && got.Partitioned == want.Partitioned &&
		(got.MaxAge < 0) == (want.MaxAge < 0) && (got.MaxAge > 0) == (want.MaxAge > 0)
	if !same {
		want.Value = got.Value
		p.fatalf("%s: the cookie is %v, want %v", what, attributes([]*http.Cookie{got}), attributes([]*http.Cookie{&want}))
	}
}

func headerTransport(p *adapterProbe) {
	m := p.manager(session.Options{Header: "X-Session"})
	s := p.serve(m, []Layer{{Sessions: m.Manager}}, endRoutes()...)
	v := s.visitor()
	v.get("/get?key=k").want(http.StatusOK, "").wantHeader("X-Session", "").wantHeader("Vary", "X-Session")
	a := v.set("k", "v").wantHeader("Set-Cookie", "")
	token := v.token
	if len(a.header.Values("X-Session")) != 1 || token == "" {
		p.fatalf("%s: header X-Session is %q, want one token", a.what, a.header.Values("X-Session"))
	}
	if _, sent := v.get("/get?key=k").want(http.StatusOK, "v").header["X-Session"]; sent {
		p.fatalf("the token was sent again to a visitor who has it")
	}
	a = v.get("/logout")
	if values, sent := a.header["X-Session"]; !sent || values[0] != "" {
		p.fatalf("%s: header X-Session is %q, want an empty one", a.what, values)
	}
	s.dead("the session that was logged out", token)
}
