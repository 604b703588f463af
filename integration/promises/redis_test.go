package promises_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// requests returns how many commands of clients the server has run, but for those that this function sends and those
// that belong to a connection. What scripts do inside counts for the script.
func requests(t *testing.T, admin *redis.Client) int {
	t.Helper()
	text, err := admin.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range []string{"hget", "hmget", "eval", "evalsha", "evalsha_ro", "get", "set", "del", "unlink"} {
		_, rest, ok := strings.Cut(text, "\r\ncmdstat_"+name+":calls=")
		if !ok {
			continue
		}
		calls, _, _ := strings.Cut(rest, ",")
		v, err := strconv.Atoi(calls)
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	return n
}

func TestRedisCommandsPerRequest(t *testing.T) {
	t.Parallel()
	for name, start := range frameworks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t, nil)
			admin := server.Admin()
			b := newBrowser(t, start(t, newManager(t, openRedis(t, server, patient), session.Options{})))
			b.follow("/set?key=k&value=v") // the session is there
			b.get("/pay")                  // the scripts are known from here on
			madeUp := newBrowserWith(b, "__Host-session="+strings.Repeat("A", 43))
			malformed := newBrowserWith(b, "__Host-session=../../etc/passwd")
			for _, c := range []struct {
				name, path string
				as         *browser
				want       int
			}{
				{"a page that ignores the session", "/untouched", b, 0},
				{"read-only", "/show", b, 1},
				{"one change", "/set?key=k&value=w", b, -2},
				{"the same value again", "/set?key=k&value=w", b, 1},
				{"a counter", "/add", b, -2},
				{"a change that has the session for itself", "/pay", b, 4}, // two scripts, each with a read in it
				{"a made-up id", "/show", madeUp, 1},
				{"a malformed id", "/show", malformed, 0},
				{"a newcomer who only looks", "/show", newBrowserWith(b, ""), 0},
				{"a newcomer who logs out", "/logout", newBrowserWith(b, ""), 0},
			} {
				before := requests(t, admin)
				if status, _ := c.as.get(c.path); status != http.StatusOK {
					t.Errorf("%s: status %d", c.name, status)
				}
				// A script's own reads show up in the statistics: a change is one read, one script, and the HGET in it.
				got, want := requests(t, admin)-before, c.want
				if want < 0 {
					want = -want + 1
				}
				if got != want {
					t.Errorf("%s: %d commands, want %d", c.name, got, want)
				}
			}
			if keys, err := admin.DBSize(t.Context()).Result(); err != nil || keys != 1 {
				t.Errorf("%d keys (%v), want 1: nobody but the one visitor has a session", keys, err)
			}
			everyKeyHasTTL(t, admin)
		})
	}
}

func everyKeyHasTTL(t *testing.T, admin *redis.Client) {
	t.Helper()
	keys := admin.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(context.Background()) {
		if ttl := admin.PTTL(t.Context(), keys.Val()).Val(); ttl <= 0 {
			t.Errorf("a key has no time to live: %v", ttl)
		}
	}
	if err := keys.Err(); err != nil {
		t.Error(err)
	}
}

// TestStalledRedisNeverStallsTheSite stops the server: what needs a session answers 503 within its budget, the rest at
// once, and when the server goes on everything is as it was.
func TestStalledRedisNeverStallsTheSite(t *testing.T) {
	t.Parallel()
	// The promise is the budget + 50 ms; a machine that runs all tests at once may be later. A client's own defaults would
	// take 5 s and more.
	const budget, slack = 400 * time.Millisecond, 600 * time.Millisecond
	for name, start := range frameworks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servers.StartRedis(t, nil)
			m := newManager(t, openRedis(t, server, ""), session.Options{ReadTimeout: budget})
			b := newBrowser(t, start(t, m))
			b.follow("/login?user=ann")
			server.Stop()
			for _, c := range []struct {
				path   string
				status int
				within time.Duration
			}{{"/show", 503, budget + slack}, {"/add", 503, budget + slack}, {"/untouched", 200, slack}} {
				begin := time.Now()
				status, _ := b.get(c.path)
				if took := time.Since(begin); status != c.status || took > c.within {
					t.Errorf("%s while Redis is stopped: status %d after %v, want %d within %v", c.path, status, took, c.status, c.within)
				} else {
					t.Logf("%s while Redis is stopped: %d after %v", c.path, status, took)
				}
			}
			server.Continue()
			if status, got := b.get("/show"); status != http.StatusOK || got != "user=ann count=0 names=1" {
				t.Errorf("after Redis went on: %d %s", status, got)
			}
		})
	}
}
