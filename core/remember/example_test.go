package remember_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

var user = session.NewKey[string]("user")

// A visitor whose session has ended is logged in again by the cookie that remembers him.
func Example() {
	store := memstore.New(nil)
	sessions, err := session.New(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	logins, err := remember.New(sessions, store, remember.Options{})
	if err != nil {
		log.Fatal(err)
	}

	// recall binds the session of a visitor who is remembered.
	recall := func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		c, _ := r.Cookie(logins.Name())
		if c == nil || user.Get(s) != "" {
			return nil // nothing to do
		}
		// Whoever ends all sessions of the user meanwhile ends this one too: the epoch comes before the credential.
		var epoch session.Epoch
		var login remember.Login
		name, err := logins.Subject(r.Context(), c.Value)
		if err == nil {
			epoch, err = sessions.SubjectEpoch(r.Context(), name)
		}
		if err == nil {
			login, err = logins.Use(r.Context(), c.Value)
		}
		switch {
		case errors.Is(err, remember.ErrStolen): // tell the user, too
			return sessions.EndAllSessions(r.Context(), login.Subject)
		case errors.Is(err, session.ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		if err := s.Bind(session.Login{Subject: login.Subject, Epoch: epoch, Remembered: true}); err != nil {
			return err
		}
		http.SetCookie(w, login.Cookie)
		return user.Set(s, login.Subject)
	}
	app := http.NewServeMux()
	app.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err == nil {
			err = recall(w, r, s)
		}
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		fmt.Printf("user %q, shown a password: %v\n", user.Get(s), s.Fresh(time.Hour))
	})
	app.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		epoch, err := logins.Epoch(r.Context(), "ann") // first this, then the password
		if err == nil {
			err = s.Bind(session.Login{Subject: "ann"})
		}
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		c, err := logins.Issue(r.Context(), "ann", epoch) // if she wants to be remembered
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		http.SetCookie(w, c)
		_ = user.Set(s, "ann") // an error would fail the commit
	})

	handler := sessions.Middleware(app)
	visit := func(method, path string, cookies ...*http.Cookie) []*http.Cookie {
		r := httptest.NewRequest(method, path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result().Cookies()
	}
	cookies := visit("POST", "/login")
	visit("GET", "/", cookies...)
	for _, c := range cookies {
		if c.Name == logins.Name() {
			visit("GET", "/", c) // the browser was closed, so the session's cookie is gone
		}
	}
	visit("GET", "/")
	// Output:
	// user "ann", shown a password: true
	// user "ann", shown a password: false
	// user "", shown a password: false
}
