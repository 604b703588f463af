package bots_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/nonstick-go/nonstick/core/bots"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// A crawler gets a session for each request and leaves nothing behind.
func Example() {
	list := bots.Default()
	list.Parts = append(list.Parts, "acme-checker") // one of your own
	sessions, err := session.New(memstore.New(nil), session.Options{
		Bots: session.BotOptions{Classifier: list, Mode: session.BotsInMemory},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	visits := session.NewKey[int]("visits")
	app := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			sessions.Fail(w, err)
			return
		}
		_ = visits.Update(s, func(n int) int { return n + 1 })
		fmt.Println("robot:", s.Bot(), "visits:", visits.Get(s))
	}))
	for _, agent := range []string{"Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) Chrome/126.0", "Acme-Checker/1.0"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println("cookies:", len(w.Result().Cookies()))
	}
	// Output:
	// robot: false visits: 1
	// cookies: 1
	// robot: true visits: 1
	// cookies: 0
}
