package main

import (
	"errors"
	"net/http"

	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

const stolen = "Somebody else has used the cookie that remembered you. You were logged out everywhere: log in, and look who knows your password."

// recall logs in a visitor who has no session any more, but a cookie that remembers him. It reports whether it has answered.
func (a *app) recall(w http.ResponseWriter, r *http.Request, s *session.Session) (done bool, err error) {
	value := a.value(r)
	if value == "" || user.Get(s) != "" {
		return false, nil
	}
	// If all of the user's sessions end meanwhile, so does this one: the epoch comes before the look at the cookie.
	var epoch session.Epoch
	var login remember.Login
	name, err := a.logins.Subject(r.Context(), value)
	if err == nil {
		epoch, err = a.sessions.SubjectEpoch(r.Context(), name)
	}
	if err == nil {
		login, err = a.logins.Use(r.Context(), value)
	}
	switch {
	case errors.Is(err, remember.ErrStolen):
		if err := errors.Join(a.sessions.EndAllSessions(r.Context(), login.Subject), a.forget(w, r)); err != nil {
			return false, err
		}
		return true, a.render(w, http.StatusUnauthorized, view{Problem: stolen})
	case errors.Is(err, session.ErrNotFound): // it has ended
		return false, a.forget(w, r)
	case err != nil:
		return false, err
	}
	http.SetCookie(w, login.Cookie)
	device := describe(r)
	device["remembered"] = a.logins.Handle(value)
	if err := s.Bind(session.Login{Subject: login.Subject, Attributes: device, Epoch: epoch, Remembered: true}); err != nil {
		return false, err
	}
	err = errors.Join(user.Set(s, login.Subject), flash.Set(s, "Welcome back, "+login.Subject+"."))
	if err == nil && r.Method == http.MethodGet { // the session is in the list of devices after its first request
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		return true, nil
	}
	return false, err
}

// forget ends what remembers the user of this browser, if anything does.
func (a *app) forget(w http.ResponseWriter, r *http.Request) error {
	value := a.value(r)
	if value == "" {
		return nil
	}
	gone, err := a.logins.Forget(r.Context(), value)
	http.SetCookie(w, gone)
	return err
}

// value is that of the cookie that remembers a user, "" if there is none.
func (a *app) value(r *http.Request) string {
	c, err := r.Cookie(a.logins.Name())
	if err != nil {
		return ""
	}
	return c.Value
}
