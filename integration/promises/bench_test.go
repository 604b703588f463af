package promises_test

import (
	"encoding/gob"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	scsmem "github.com/alexedwards/scs/v2/memstore"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// profile is one of the five values of a typical session of 1 KiB.
type profile struct {
	Name, Mail string
	Roles      []string
	Notes      string
}

var (
	typical     = profile{"Ann", "ann@example.org", []string{"admin", "editor"}, strings.Repeat("n", 800)}
	profileKey  = session.NewKey[profile]("profile")
	csrfKey     = session.NewKey[string]("csrf")
	languageKey = session.NewKey[string]("language")
)

// silent is a ResponseWriter that costs nothing.
type silent struct{ header http.Header }

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }
func (s *silent) WriteHeader(int)             {}

// BenchmarkRequest measures whole requests through ServeHTTP, ours beside those of scs: one value of five is read, or a
// counter is raised.
func BenchmarkRequest(b *testing.B) {
	gob.Register(profile{})
	server := servers.StartRedis(b, nil)
	handlers := map[string]map[string]func(testing.TB) http.Handler{
		"memory": {
			"nonstick": func(tb testing.TB) http.Handler {
				return nonstick(newManager(tb, memstore.New(nil), session.Options{}))
			},
			"scs": func(testing.TB) http.Handler { return peer(scsmem.New()) },
		},
		"redis": {
			"nonstick": func(tb testing.TB) http.Handler {
				return nonstick(newManager(tb, openRedis(tb, server, patient), session.Options{}))
			},
			"scs": func(testing.TB) http.Handler { return peer(goredisstore.New(server.Admin())) },
		},
	}
	for _, store := range []string{"memory", "redis"} {
		for _, path := range []string{"/untouched", "/read", "/change"} {
			for _, who := range []string{"nonstick", "scs"} {
				b.Run(store+path+"/"+who, func(b *testing.B) {
					h := handlers[store][who](b)
					first := httptest.NewRecorder()
					h.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/start", nil))
					c := first.Result().Cookies()[0]
					r := httptest.NewRequest(http.MethodGet, path, nil)
					r.Header.Set("Cookie", c.Name+"="+c.Value)
					w := &silent{header: make(http.Header)}
					b.ReportAllocs()
					for b.Loop() {
						clear(w.header)
						h.ServeHTTP(w, r)
					}
				})
			}
		}
	}
}

func nonstick(m *session.Manager) http.Handler {
	return m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/untouched" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		s, err := session.Get(r.Context())
		if err != nil {
			w.WriteHeader(session.StatusCode(err))
			return
		}
		switch r.URL.Path {
		case "/start":
			_, _, _ = user.Set(s, "ann"), count.Set(s, 1), profileKey.Set(s, typical)
			_, _ = csrfKey.Set(s, strings.Repeat("c", 43)), languageKey.Set(s, "en")
		case "/read":
			user.Get(s)
		case "/change":
			_ = count.Update(s, func(n int) int { return n + 1 })
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}

func peer(store scs.Store) http.Handler {
	m := scs.New()
	m.Store = store
	return m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		switch r.URL.Path {
		case "/start":
			m.Put(ctx, "user", "ann")
			m.Put(ctx, "count", 1)
			m.Put(ctx, "profile", typical)
			m.Put(ctx, "csrf", strings.Repeat("c", 43))
			m.Put(ctx, "language", "en")
		case "/read":
			m.GetString(ctx, "user")
		case "/change":
			m.Put(ctx, "count", m.GetInt(ctx, "count")+1)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}
