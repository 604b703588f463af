package life_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/bots"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// 20,000 visitors who leave nothing behind: people without a cookie who only look, robots whose handler stores something,
// and robots that get no session.
func TestASVS_15_2_2_AFloodOfVisitorsCostsNoKey(t *testing.T) {
	t.Parallel()
	const visitors = 20_000
	const crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	look := func(s *session.Session) { count.Get(s) }
	for name, c := range map[string]struct {
		agent  string
		mode   session.BotMode
		use    func(*session.Session)
		status int
	}{
		"people who look":   {firefox, session.BotsShort, look, http.StatusOK},
		"robots who look":   {crawler, session.BotsShort, look, http.StatusOK},
		"robots in memory":  {crawler, session.BotsInMemory, add, http.StatusOK},
		"robots refused":    {crawler, session.BotsRefused, add, http.StatusForbidden},
		"silent, in memory": {"", session.BotsInMemory, add, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t, nil)
			url := server.URL() + patient
			m := newManager(t, func() (session.Handler, error) { return goredis.Open(url) },
				session.Options{Bots: session.BotOptions{Classifier: bots.Default(), Mode: c.mode}})
			before := commands(t, server)
			h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Get(r.Context())
				if err != nil {
					m.Fail(w, err)
					return
				}
				c.use(s)
			}))
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range visitors / 4 {
						r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
						r.Header.Set("User-Agent", c.agent)
						w := httptest.NewRecorder()
						if h.ServeHTTP(w, r); w.Code != c.status || w.Header().Get("Set-Cookie") != "" {
							t.Errorf("status %d, cookie %t", w.Code, w.Header().Get("Set-Cookie") != "")
							return
						}
					}
				})
			}
			wg.Wait()
			keys, err := server.Admin().DBSize(t.Context()).Result()
			if err != nil {
				t.Fatal(err)
			}
			if sent := commands(t, server) - before; keys != 0 || sent != 0 {
				t.Errorf("%d visitors cost %d keys and %d commands, want none", visitors, keys, sent)
			}
		})
	}
}

// commands is how many commands the server has got that are about anything but connections.
func commands(t *testing.T, server *servers.Redis) (n int) {
	t.Helper()
	text, err := server.Admin().Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		name, stats, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		name, _, _ = strings.Cut(name, "|")
		if !ok || slices.Contains([]string{"hello", "auth", "select", "client", "ping", "info", "dbsize", "config"}, name) {
			continue
		}
		calls, _, _ := strings.Cut(stats, ",")
		v, err := strconv.Atoi(calls)
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	return n
}
