package redis_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// TestMain keeps go-redis from logging every connection that these tests make fail.
func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}

// patient are timeouts for tests that are not about time, and may run on a busy machine.
const patient = "dial_timeout=5s&read_timeout=5s&write_timeout=5s&pool_timeout=5s"

// open opens a patient Store for the time of the test.
func open(t testing.TB, rawURL string) store {
	t.Helper()
	return openAsIs(t, withParams(t, rawURL, patient))
}

func openAsIs(t testing.TB, rawURL string) store {
	t.Helper()
	s, err := openURL(t, rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// withParams adds parameters to a store URL.
func withParams(t testing.TB, rawURL, params string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if u.RawQuery != "" && params != "" {
		params = "&" + params
	}
	u.RawQuery += params
	return u.String()
}

func newID() (id session.ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// ticks counts the versions that these tests made.
type ticks struct{ last atomic.Uint64 }

func (n *ticks) next() (v session.Version) {
	binary.BigEndian.PutUint64(v[:], n.last.Add(1))
	return v
}

// record is alive for an hour.
func record(v session.Version, payload string) session.Record {
	now := time.Now()
	return session.Record{Version: v, Created: now, Seen: now, TTL: time.Hour, Payload: []byte(payload)}
}

// key is where a Store with the default prefix keeps a session.
func key(id session.ID) string { return defaultPrefix + string(id.AppendBase64(nil)) }

// must ends the test at an error.
func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// eventually ends the test if do fails for several seconds, which leaves a busy machine its time.
func eventually(t testing.TB, what string, do func() error) {
	t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < 5*time.Second; time.Sleep(5 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// expectPayload ends the test if another payload is stored.
func expectPayload(t testing.TB, s store, id session.ID, want string) {
	t.Helper()
	rec, err := s.Read(t.Context(), id)
	must(t, "Read", err)
	if string(rec.Payload) != want {
		t.Fatalf("got payload %.20q, want %.20q", rec.Payload, want)
	}
}

// commands returns how often the server has run each command since the last call, those of scripts included.
func commands(t testing.TB, r *servers.Redis) map[string]int {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	info, err := r.Admin().Info(ctx, "commandstats").Result()
	must(t, "INFO", err)
	must(t, "CONFIG RESETSTAT", r.Admin().ConfigResetStat(ctx).Err())
	counts := map[string]int{}
	for line := range strings.Lines(info) {
		name, stats, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok || name == "info" || strings.HasPrefix(name, "config") {
			continue
		}
		n := 0
		_, err := fmt.Sscan(strings.SplitN(stats, ",", 2)[0], &n)
		must(t, "INFO", err)
		counts[name] = n
	}
	return counts
}
