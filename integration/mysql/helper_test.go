package mysql_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// store is what the backend opens.
type store interface {
	session.Handler
	session.Toucher
	session.Locker
	session.Pinger
	io.Closer
}

var _ store = (*mysqlstore.Store)(nil)

// patient are timeouts for tests that are not about time, and may run on a busy machine.
const patient = "dial_timeout=5s&read_timeout=5s&write_timeout=5s"

// open opens a patient Store for the time of the test.
func open(t testing.TB, rawURL string) *mysqlstore.Store {
	t.Helper()
	return openAsIs(t, withParams(t, rawURL, patient))
}

func openAsIs(t testing.TB, rawURL string) *mysqlstore.Store {
	t.Helper()
	s, err := mysqlstore.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// opener opens Stores for a suite.
func opener(rawURL string) func(context.Context) (session.Handler, error) {
	return func(context.Context) (session.Handler, error) { return mysqlstore.Open(rawURL) }
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
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// through returns a store URL with another address.
func through(t testing.TB, rawURL, addr string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	must(t, "parse", err)
	u.Host = addr
	return u.String()
}

// status returns a counter of the server.
func status(t testing.TB, m *servers.MariaDB, name string) (n int) {
	t.Helper()
	must(t, "SHOW STATUS", m.Admin().QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &n))
	return n
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
