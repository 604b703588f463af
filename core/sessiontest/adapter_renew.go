package sessiontest

import (
	"net/http"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func renewCases() []adapterCase {
	return []adapterCase{
		{"renew/known", "Renew gives the visitor a new cookie, keeps the data, and makes the old cookie useless at " +
			"once.", renewKnown},
		{"renew/new", "Renewing a session that is not stored yet is no different from storing it.", renewNew},
		{"renew/periodic", "A periodic renewal sends a new cookie, and the old one opens the same session for the time of " +
			"grace.", renewPeriodic},
		{"renew/store-down", "If Renew cannot be stored the old cookie and the old data stay.", renewStoreDown},
	}
}

func login(c Call) error {
	s, err := get(c)
	if err != nil {
		return err
	}
	if err := s.Renew(); err != nil {
		return err
	}
	if err := session.NewKey[string]("user").Set(s, "u"); err != nil {
		return err
	}
	return done(c)
}

func renewKnown(p *adapterProbe) {
	s := p.open(Route{"GET", "/login", login})
	v := s.known()
	token := v.token
	v.get("/login").want(http.StatusOK, "done").wantCookie()
	if v.token == token {
		p.fatalf("the visitor got the old token again")
	}
	s.dead("the id before the login", token)
	v.holds("after the login", "k", "before")
	v.holds("after the login", "user", "u")
}

func renewNew(p *adapterProbe) {
	s := p.open(Route{"GET", "/login", login})
	v := s.visitor()
	v.get("/login").want(http.StatusOK, "done").wantCookie()
	v.holds("after the login", "user", "u")
	if n := s.store.Calls(OpWrite); n != 1 {
		p.fatalf("the login of a new visitor cost %d writes, want 1", n)
	}
}

func renewPeriodic(p *adapterProbe) {
	m := p.manager(session.Options{RenewInterval: 10 * time.Minute, RenewGrace: time.Minute})
	s := p.serve(m, []Layer{{Sessions: m.Manager}}, endRoutes()...)
	v := s.known()
	id := p.sessionID(v.token)
	rec, err := s.store.inner.Read(p.ctx, id)
	p.ok("Read", err)
	prev := rec.Version
	rec.Created, rec.Version = rec.Created.Add(-10*time.Minute), p.version()
	p.ok("making the session older", s.store.inner.Write(p.ctx, id, rec, prev))
	old := &visitor{site: s, token: v.token}
	v.get("/get?key=k").want(http.StatusOK, "before").wantCookie()
	if v.token == old.token {
		p.fatalf("the visitor got the old token again")
	}
	token := v.token
	old.get("/get?key=k").want(http.StatusOK, "before").wantSameToken()
	v.holds("after the renewal", "k", "before")
	v.get("/logout").want(http.StatusOK, "logged out")
	s.dead("the id before the renewal", old.token)
	s.dead("the id after the renewal", token)
}

func renewStoreDown(p *adapterProbe) {
	s := p.open(Route{"GET", "/login", login})
	v := s.known()
	s.store.Before(OpWrite, -1, Fail)
	if a := v.get("/login").wantSameToken(); a.status != http.StatusServiceUnavailable {
		p.fatalf("GET /login: status is %d, want 503", a.status)
	}
	s.store.Heal()
	v.holds("after the login that failed", "k", "before")
	v.holds("after the login that failed", "user", "")
}
