package sessiontest

import (
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func endCases() []adapterCase {
	return []adapterCase{
		{"logout/known", "Destroy empties the store and deletes the cookie, repeating its attributes, which browsers demand. " +
			"The old cookie is worth nothing.", logoutKnown},
		{"logout/attributes", "The deletion repeats every attribute that Options.Cookie names.", logoutAttributes},
		{"logout/anonymous", "The logout of a visitor without a session costs nothing and creates " +
			"nothing.", logoutAnonymous},
		{"logout/store-down", "A logout that cannot be stored is an error: the visitor keeps the cookie and sees no " +
			"success.", logoutStoreDown},
		{"logout/wins", "A request that began before the logout cannot bring the session back.", logoutWins},
		{"logout/then-set", "Values set after Destroy begin a new session; the old one is dead.", logoutThenSet},
	}
}

// endRoutes end the session.
func endRoutes() []Route {
	return []Route{
		{"GET", "/logout", func(c Call) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			if err := s.Destroy(); err != nil {
				return err
			}
			_, err = c.WriteString("logged out")
			return err
		}},
		{"GET", "/switch", func(c Call) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			if err := s.Destroy(); err != nil {
				return err
			}
			if err := session.NewKey[string]("k").Set(s, "new"); err != nil {
				return err
			}
			return done(c)
		}},
	}
}

func logoutKnown(p *adapterProbe) {
	s := p.open(endRoutes()...)
	v := s.known()
	token := v.token
	a := v.get("/logout").want(http.StatusOK, "logged out")
	cookies := a.cookies()
	if len(cookies) != 1 {
		p.fatalf("the logout sent %d session cookies, want the deletion of one", len(cookies))
	}
	p.sameCookie("the logout", cookies[0], http.Cookie{Name: s.cookie, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: -1})
	s.dead("the session that was logged out", token)
}

func logoutAttributes(p *adapterProbe) {
	m := p.manager(session.Options{Cookie: fullCookie()})
	s := p.serve(m, []Layer{{Sessions: m.Manager}}, endRoutes()...)
	v := s.known()
	cookies := v.get("/logout").cookies()
	if len(cookies) != 1 {
		p.fatalf("the logout sent %d session cookies, want the deletion of one", len(cookies))
	}
	want := fullAttributes()
	want.MaxAge = -1
	p.sameCookie("the logout", cookies[0], want)
}

func logoutAnonymous(p *adapterProbe) {
	s := p.open(endRoutes()...)
	s.visitor().get("/logout").want(http.StatusOK, "logged out").wantNoCookie()
	if n := s.calls(); n != 0 {
		p.fatalf("the logout cost %d store calls", n)
	}
}

func logoutStoreDown(p *adapterProbe) {
	s := p.open(endRoutes()...)
	v := s.known()
	for _, op := range []Op{OpWrite, OpDestroy} { // a logout may end a session by either
		s.store.Before(op, -1, Fail)
	}
	v.get("/logout").wantError(session.ErrUnavailable).wantSameToken()
	s.store.Heal()
	v.holds("after the logout that failed", "k", "before")
}

func logoutWins(p *adapterProbe) {
	loaded, ended := make(chan struct{}), make(chan struct{})
	s := p.open(append(endRoutes(), Route{"GET", "/slow", func(c Call) error {
		err := set(c, "k", "after")
		close(loaded)
		<-ended
		if err != nil {
			return err
		}
		return done(c)
	}})...)
	v := s.known()
	slow := *v
	p.parallel(2, func(i int) {
		if i == 0 {
			defer close(ended)
			<-loaded
			v.get("/logout").want(http.StatusOK, "logged out")
			return
		}
		if a := slow.get("/slow").wantSameToken(); a.status != http.StatusConflict {
			p.fatalf("the request that came too late: status is %d, want 409", a.status)
		}
	})
	s.dead("the session that was logged out", slow.token)
}

func logoutThenSet(p *adapterProbe) {
	s := p.open(endRoutes()...)
	v := s.known()
	token := v.token
	v.get("/switch").want(http.StatusOK, "done").wantCookie()
	if v.token == token {
		p.fatalf("the new session has the old id")
	}
	s.dead("the session that was logged out", token)
	v.holds("in the new session", "k", "new")
}
