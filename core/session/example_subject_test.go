package session_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// A user is logged in on two devices, looks at the list of them on one, and ends the other.
func ExampleManager_SubjectSessions() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	app := http.NewServeMux()
	app.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// epoch first, then the credentials: whoever ends all sessions after a change of the password ends this one too
		epoch, err := sessions.SubjectEpoch(r.Context(), "ann")
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		s, err := session.Get(r.Context())
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		device := map[string]string{"device": r.UserAgent()}
		if err := s.Bind(session.Login{Subject: "ann", Attributes: device, Epoch: epoch}); err != nil {
			sessions.Fail(w, err)
			return
		}
		_ = user.Set(s, "ann") // an error would fail the commit
	})
	app.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		list, err := sessions.SubjectSessions(r.Context(), user.Get(s))
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		for _, other := range list {
			fmt.Println(other.Attributes["device"], "this one:", other.Handle == s.Handle())
		}
	})
	app.HandleFunc("POST /devices/end-others", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err == nil {
			err = sessions.EndOtherSessions(r.Context(), user.Get(s), s.Handle())
		}
		if err != nil {
			sessions.Fail(w, err)
		}
	})

	handler := sessions.Middleware(app)
	cookies := map[string]*http.Cookie{} // what each browser keeps
	visit := func(device, method, path string) {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("User-Agent", device)
		if c := cookies[device]; c != nil {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookies[device] = c
		}
	}
	visit("phone", "POST", "/login")
	time.Sleep(2 * time.Millisecond) // the list is ordered by the time of the login
	visit("laptop", "POST", "/login")
	visit("laptop", "GET", "/devices")
	visit("laptop", "POST", "/devices/end-others")
	fmt.Println("and then")
	visit("laptop", "GET", "/devices")
	// Output:
	// phone this one: false
	// laptop this one: true
	// and then
	// laptop this one: true
}

// What matters asks for the password again if that was too long ago.
func ExampleManager_RequireFresh() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	app := http.NewServeMux()
	changePassword := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "changed") })
	fresh := sessions.RequireFresh(5*time.Minute, http.RedirectHandler("/password?then=/account", http.StatusSeeOther))
	app.Handle("POST /account/password", fresh(changePassword))

	w := httptest.NewRecorder()
	sessions.Middleware(app).ServeHTTP(w, httptest.NewRequest("POST", "/account/password", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /password?then=/account
}

// A payment needs a second factor that was shown within the last five minutes; a password that is fresh is not enough.
func ExampleSession_Authenticated() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	w := httptest.NewRecorder()
	sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		err = s.Bind(session.Login{Subject: "ann", Methods: []string{"pwd"}})
		fmt.Println(err, s.Fresh(5*time.Minute), s.Fresh(5*time.Minute, "otp"))
		err = s.Authenticated("otp") // its code was right
		fmt.Println(err, s.Fresh(5*time.Minute, "pwd", "otp"))
	})).ServeHTTP(w, httptest.NewRequest("POST", "/login", nil))
	// Output:
	// <nil> true false
	// <nil> true
}

// The identity provider's back channel says that a session of its own is over.
func ExampleManager_EndProviderSession() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	visit := func(cookie []*http.Cookie, page http.HandlerFunc) []*http.Cookie {
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range cookie {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		sessions.Middleware(page).ServeHTTP(w, r)
		return w.Result().Cookies()
	}
	const issuer, sid = "https://login.example.com", "08a5019c"
	cookie := visit(nil, func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.Get(r.Context()); err == nil {
			_ = s.Bind(session.Login{Subject: "ann", ProviderSession: issuer + " " + sid}) // an error fails the response
		}
	})
	fmt.Println(sessions.EndProviderSession(context.Background(), issuer+" "+sid))
	visit(cookie, func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		fmt.Println(err, s.IsNew())
	})
	// Output:
	// <nil>
	// <nil> true
}
