// Command nethttp shows a login, a counter of visits and a logout with net/http.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/nonstick-go/nonstick/core/memstore" // memory://; another import brings file:// or redis://
	"github.com/nonstick-go/nonstick/core/session"
)

var (
	user   = session.NewKey[string]("user")
	visits = session.NewKey[int]("visits")
)

func main() {
	store, err := session.Open(context.Background(), "memory://")
	if err != nil {
		log.Fatal(err)
	}
	insecure := session.Cookie{Insecure: true} // plain http, for development only
	sessions, err := session.New(store, session.Options{Cookie: insecure})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err == nil {
			err = visits.Update(s, func(n int) int { return n + 1 }) // loses no visit of any other request
		}
		if err != nil {
			sessions.Fail(w, err) // 503 when the store cannot be asked: it is not known who the visitor is
			return
		}
		fmt.Fprintf(w, "hello %s, visit %d\n", cmp.Or(user.Get(s), "stranger"), visits.Get(s))
	})
	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err == nil { // check the password here
			err = errors.Join(s.Renew(), user.Set(s, r.FormValue("user"))) // a new id whenever rights change
		}
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	http.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err == nil {
			err = s.Destroy()
		}
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080")
	log.Fatal(http.ListenAndServe(addr, sessions.Middleware(http.DefaultServeMux)))
}
