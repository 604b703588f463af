package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

//go:embed page.html style.css
var files embed.FS

var (
	user  = session.NewKey[string]("user")
	flash = session.NewKey[string]("flash") // shown once, by the next page
)

// password is everybody's. An application looks the user up and compares with a slow hash.
const password = "nonstick"

// app is the handlers and what they share.
type app struct {
	sessions *session.Manager
	logins   *remember.Logins
	page     *template.Template
	// wrong counts wrong passwords of a session that asks to be fresh, and is forgotten after a pause. An application counts those
	// of an account, too: who has its password to guess may have many sessions.
	wrong session.Temp[int]
}

const mostWrong = 3

// view is what the page shows.
type view struct {
	User     string // "" for the login form
	Flash    string
	Problem  string
	Confirm  bool // the password is asked for once more
	Password string
	Here     string // the handle of this session
	Devices  []session.SubjectSession
}

func newHandler(sessions *session.Manager, logins *remember.Logins, fresh, pause time.Duration) (http.Handler, error) {
	page, err := template.New("page.html").Funcs(template.FuncMap{
		"when": func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") },
	}).ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	a := &app{sessions, logins, page, session.NewTemp[int]("wrong", pause)}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", a.handle(a.show))
	mux.Handle("POST /login", a.handle(a.login))
	mux.Handle("POST /logout", a.handle(a.logout))
	mux.Handle("POST /end", a.handle(a.end))
	// What hits other devices takes more than a session that somebody may have found open (ASVS 7.5.3).
	requireFresh := sessions.RequireFresh(fresh, http.RedirectHandler("/password", http.StatusSeeOther))
	mux.Handle("POST /end-others", requireFresh(a.handle(a.endOthers)))
	mux.Handle("GET /password", a.handle(a.askPassword))
	mux.Handle("POST /password", a.handle(a.confirm))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "style.css")
	})
	return http.NewCrossOriginProtection().Handler(sessions.Middleware(mux)), nil
}

// handle gives a handler the session of its request, which may be that of a user who is remembered, and answers for it when
// something fails.
func (a *app) handle(f func(http.ResponseWriter, *http.Request, *session.Session) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		done := false
		if err == nil {
			done, err = a.recall(w, r, s)
		}
		if err == nil && !done {
			err = f(w, r, s)
		}
		if err != nil {
			a.sessions.Fail(w, err)
		}
	})
}

func (a *app) show(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	v := view{User: user.Get(s)}
	if v.User == "" {
		return a.render(w, http.StatusOK, v)
	}
	var err error
	if v.Devices, err = a.sessions.SubjectSessions(r.Context(), v.User); err != nil {
		return err
	}
	v.Here = s.Handle()
	v.Flash, _ = flash.Pop(s)
	return a.render(w, http.StatusOK, v)
}

func (a *app) login(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	name := strings.TrimSpace(r.FormValue("user"))
	if name == "" {
		return a.render(w, http.StatusUnprocessableEntity, view{Problem: "Who are you?"})
	}
	// The epoch comes before the look at the password: if that is changed meanwhile, and all sessions end, so does this one.
	epoch, err := a.sessions.SubjectEpoch(r.Context(), name)
	if err != nil {
		return err
	}
	remembered, err := a.logins.Epoch(r.Context(), name)
	if err != nil {
		return err
	}
	if r.FormValue("password") != password {
		return a.render(w, http.StatusUnauthorized, view{Problem: "Wrong name or password."})
	}
	device := describe(r)
	if r.FormValue("remember") != "" {
		c, err := a.logins.Issue(r.Context(), name, remembered)
		if err != nil {
			return err
		}
		http.SetCookie(w, c)
		device["remembered"] = a.logins.Handle(c.Value)
	} else if err := a.forget(w, r); err != nil { // whom this browser remembered before
		return err
	}
	if err := s.Bind(session.Login{Subject: name, Attributes: device, Epoch: epoch}); err != nil {
		return err
	}
	return back(w, r, user.Set(s, name), flash.Set(s, "Welcome, "+name+"."))
}

func (a *app) logout(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	return back(w, r, a.forget(w, r), s.Destroy()) // with Clear-Site-Data
}

func (a *app) end(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	who, handle := user.Get(s), r.FormValue("handle")
	if who == "" || handle == s.Handle() { // the page offers neither: this device has its logout
		return back(w, r)
	}
	// A handle of somebody else's session is found in no list but his.
	devices, err := a.sessions.SubjectSessions(r.Context(), who)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Handle == handle { // first what would log the device in again
			if err := a.logins.End(r.Context(), who, d.Attributes["remembered"]); err != nil {
				return err
			}
		}
	}
	if err := a.sessions.EndSession(r.Context(), who, handle); err != nil {
		return err
	}
	return back(w, r, flash.Set(s, "That device is logged out."))
}

func (a *app) endOthers(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	who := user.Get(s)
	if who == "" {
		return back(w, r)
	}
	if err := a.logins.EndOthers(r.Context(), who, a.logins.Handle(a.value(r))); err != nil {
		return err
	}
	if err := a.sessions.EndOtherSessions(r.Context(), who, s.Handle()); err != nil {
		return err
	}
	return back(w, r, flash.Set(s, "All other devices are logged out."))
}

func (a *app) askPassword(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	v := view{User: user.Get(s), Confirm: true}
	if v.User == "" {
		return back(w, r)
	}
	return a.render(w, http.StatusOK, v)
}

func (a *app) confirm(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	v := view{User: user.Get(s), Confirm: true, Problem: "Wrong password."}
	wrong := a.wrong.Get(s)
	switch {
	case v.User == "":
		return back(w, r)
	case wrong >= mostWrong:
		v.Problem = "Too many wrong passwords. Try again later."
		return a.render(w, http.StatusTooManyRequests, v)
	case r.FormValue("password") != password:
		if err := a.wrong.Set(s, wrong+1); err != nil {
			return err
		}
		return a.render(w, http.StatusUnauthorized, v)
	}
	return back(w, r, s.Authenticated(), flash.Set(s, "Thank you. Now you can log the other devices out."))
}

// back goes to the page, so that a reload repeats no form.
func back(w http.ResponseWriter, r *http.Request, failed ...error) error {
	if err := errors.Join(failed...); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (a *app) render(w http.ResponseWriter, status int, v view) error {
	v.Password = password
	var out bytes.Buffer
	if err := a.page.Execute(&out, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store") // after a logout the Back button shows nothing
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the visitor may be gone
	return nil
}
