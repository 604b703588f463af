// Command goredis counts visits in Redis. Beside it is the same program with another client library: one import differs.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

var visits = session.NewKey[int]("visits")

func main() {
	store, err := session.Open(context.Background(), cmp.Or(os.Getenv("STORE"), "redis://localhost:6379"))
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
			err = visits.Update(s, func(n int) int { return n + 1 })
		}
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		fmt.Fprintf(w, "visit %d\n", visits.Get(s))
	})
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080")
	log.Fatal(http.ListenAndServe(addr, sessions.Middleware(http.DefaultServeMux)))
}
