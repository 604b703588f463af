package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// A counter of visits. In production the store is opened by a URL: session.Open(ctx, "redis://localhost:6379").
func Example() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	visits := session.NewKey[int]("visits")
	app := http.NewServeMux()
	app.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		if err := visits.Update(s, func(n int) int { return n + 1 }); err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		fmt.Fprintf(w, "visit %d", visits.Get(s))
	})

	visit, end := browser(sessions.Middleware(app)) // a program says http.ListenAndServe(addr, sessions.Middleware(app))
	defer end()
	fmt.Println(visit())
	fmt.Println(visit())
	fmt.Println(visit())
	// Output:
	// visit 1
	// visit 2
	// visit 3
}

// browser serves h over TLS and returns a browser that visits it and keeps its cookies.
func browser(h http.Handler) (visit func() string, end func()) {
	server := httptest.NewTLSServer(h)
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	return func() string {
		res, err := client.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		return string(body)
	}, server.Close
}

// A cart to which two requests of one visitor add at the same time. Update replays its function on what the other
// request has stored, so nothing is lost; with Get and Set the last one would win.
func ExampleKey_Update() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	cart := session.NewKey[[]string]("cart")
	items := []string{"first", "bread", "butter"}
	var visit func() string
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		item := items[0]
		items = items[1:]
		if item == "bread" {
			visit() // a second request adds the butter before this one adds the bread
		}
		if err := cart.Update(s, func(all []string) []string { return append(all, item) }); err != nil {
			log.Print(err)
		}
		fmt.Fprint(w, cart.Get(s))
	})
	visit, end := browser(sessions.Middleware(app))
	defer end()
	visit()
	visit()
	items = []string{"milk"}
	fmt.Println(visit())
	// Output: [first butter bread milk]
}

// A flash message is shown on the next page, once.
func ExampleKey_Pop() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	flash := session.NewKey[string]("flash")
	page := 0
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		if page++; page == 1 { // a form was sent: remember the message for the page after the redirect
			if err := flash.Set(s, "saved"); err != nil {
				log.Print(err)
			}
			return
		}
		text, ok := flash.Pop(s)
		fmt.Fprintf(w, "page %d: %q %v", page, text, ok)
	})
	visit, end := browser(sessions.Middleware(app))
	defer end()
	visit()
	fmt.Println(visit())
	fmt.Println(visit())
	// Output:
	// page 2: "saved" true
	// page 3: "" false
}

// A page that only looks says so: changing the session is an error then, and the commit writes nothing.
func ExampleGet_readOnly() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	theme := session.NewKey[string]("theme")
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context(), session.ReadOnly)
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		name, ok := theme.Lookup(s)
		if !ok {
			name = "light"
		}
		fmt.Fprint(w, "the theme is ", name)
	})
	visit, end := browser(sessions.Middleware(app))
	defer end()
	fmt.Println(visit())
	// Output: the theme is light
}

// At login the session gets a new id: one that an attacker may have planted before is worth nothing then.
func ExampleSession_Renew() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	user, lang := session.NewKey[int64]("user"), session.NewKey[string]("lang")
	signIn := false
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		if signIn { // the password was right
			err = errors.Join(s.Renew(), user.Set(s, 42))
		} else {
			err = lang.Set(s, "eo")
		}
		if err != nil {
			http.Error(w, "please try again", session.StatusCode(err))
			return
		}
		fmt.Fprint(w, "user ", user.Get(s), ", language ", lang.Get(s))
	})
	visit, end := browser(sessions.Middleware(app))
	defer end()
	fmt.Println(visit())
	signIn = true
	fmt.Println(visit())
	// Output:
	// user 0, language eo
	// user 42, language eo
}

// The life of sessions in the log of the application. Attributes that differ from run to run are left out here.
func ExampleSlogObserver() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "time" || a.Key == "session" {
				return slog.Attr{}
			}
			return a
		},
	}))
	sessions, err := session.New(memstore.New(nil), session.Options{
		Observer: session.SlogObserver{Logger: logger},
		LogKey:   []byte("the same on all nodes, from your secret store"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	user := session.NewKey[string]("user")
	app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			return
		}
		if s.IsNew() {
			err = user.Set(s, "alice")
		} else {
			err = s.Destroy()
		}
		if err != nil {
			log.Print(err)
		}
	})
	visit, end := browser(sessions.Middleware(app))
	defer end()
	visit()
	visit()
	// Output:
	// level=INFO msg="session created"
	// level=INFO msg="session destroyed"
}

// A program that does not want the openers of its imports, or adds one of its own, has a Mux of its own.
func ExampleMux() {
	var stores session.Mux
	stores.Register("scratch", "example.com/app", func(_ context.Context, u *url.URL) (session.Handler, error) {
		return memstore.New(&memstore.Options{MaxSessions: 1000}), nil
	})

	store, err := stores.Open(context.Background(), "scratch://")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(store, session.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	fmt.Println(sessions.Ping(context.Background()))

	_, err = stores.Open(context.Background(), "redis://:hunter2@localhost:6379")
	fmt.Println(err)
	// Output:
	// <nil>
	// session: open: no backend is registered for redis:// (forgotten import? It is: import _ "github.com/nonstick-go/nonstick/backends/goredis"); registered: scratch
}

// A handler that must not run twice at once for one visitor asks for the session with Exclusive.
func ExampleGet_exclusive() {
	paid := session.NewKey[bool]("paid")
	sessions, err := session.New(memstore.New(nil), session.Options{Lock: session.LockOptions{Required: true}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close()
	pay := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context(), session.Exclusive.MaxWait(time.Second))
		if err != nil {
			sessions.Fail(w, err) // 503: another request has it for too long
			return
		}
		if paid.Get(s) {
			fmt.Println("paid already")
			return
		}
		fmt.Println("charging the card")
		time.Sleep(10 * time.Millisecond)
		paid.Set(s, true)
	}))
	start := sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.Get(r.Context())
		paid.Set(s, false)
	}))
	w := httptest.NewRecorder()
	start.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	cookie := w.Result().Cookies()[0]
	var clicks sync.WaitGroup
	for range 2 { // a double click
		clicks.Go(func() {
			r := httptest.NewRequest("POST", "/pay", nil)
			r.AddCookie(cookie)
			pay.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	clicks.Wait()
	// Output:
	// charging the card
	// paid already
}
