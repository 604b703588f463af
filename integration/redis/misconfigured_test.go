package redis_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// What only an operator can mend is told from what time mends, and says what to do.
func testMisconfigured(t *testing.T) {
	t.Parallel()
	locked := servers.StartRedis(t, &servers.RedisOptions{Password: "4dmin", Users: []string{"blind on >s3cret ~other:* +@all"}})
	free := servers.StartRedis(t, nil)
	mutual := servers.StartRedis(t, &servers.RedisOptions{Mutual: true})
	cluster := servers.StartRedisCluster(t, nil)
	ca := "ca_file=" + url.QueryEscape(mutual.Certs().CA)
	for name, c := range map[string]struct{ url, want string }{
		"no password":           {locked.UserURL("", "", 0), "it wants a password"},
		"wrong password":        {locked.UserURL("", "wr0ng", 0), "the user or the password is wrong"},
		"missing permission":    {locked.UserURL("blind", "s3cret", 0), "lacks a permission"},
		"no such database":      {free.UserURL("", "", 77), "fewer databases"},
		"unknown authority":     {"rediss://" + mutual.Addr(), "x509"},
		"no client certificate": {"rediss://" + mutual.Addr() + "?" + ca, "certificate required"},
		"node of a cluster":     {cluster.Nodes()[0].URL(), "redis+cluster://"},
	} {
		s := openAsIs(t, withParams(t, c.url, "dial_timeout=5s&read_timeout=5s"))
		err := s.Ping(t.Context())
		// A node of a cluster has some of the keys; and a server that wants a certificate may be gone before it has said so.
		for begin := time.Now(); !errors.Is(err, session.ErrMisconfigured) && time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
			err = s.Ping(t.Context())
		}
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, session.ErrMisconfigured) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %v: %q", name, err, session.ErrMisconfigured, c.want)
		}
	}
	for name, u := range map[string]string{ // which might have other reasons
		"nobody": "redis://127.0.0.1:1", "plain client": "redis://" + mutual.Addr(), "plain server": "rediss://" + free.Addr(),
	} {
		if err := openAsIs(t, u).Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrMisconfigured) {
			t.Errorf("%s: got error %v, want %v alone", name, err, session.ErrUnavailable)
		}
	}
}

// attempts is how often somebody tried to log in since the last call. go-redis tries AUTH after HELLO was refused.
func attempts(t testing.TB, r *servers.Redis) int {
	n := commands(t, r)
	return max(n["hello"], n["auth"])
}

// busy creates sessions from several goroutines, and then reads them until stop is called. failed is how many calls failed.
func busy(t testing.TB, s store, pause time.Duration) (failed *atomic.Int64, stop func()) {
	t.Helper()
	failed = new(atomic.Int64)
	done := make(chan struct{})
	var wg, begun sync.WaitGroup
	begun.Add(8)
	for range 8 {
		wg.Go(func() {
			id, n := newID(), &ticks{}
			rec := record(n.next(), "x")
			if s.Write(t.Context(), id, rec, session.Version{}) != nil {
				failed.Add(1)
			}
			begun.Done()
			for {
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
				if _, err := s.Read(t.Context(), id); err != nil && !errors.Is(err, session.ErrNotFound) {
					failed.Add(1)
				}
			}
		})
	}
	begun.Wait()
	return failed, sync.OnceFunc(func() { close(done); wg.Wait() })
}

// A program whose password is wrong does not storm the server under load, and needs no restart once it is right.
func testWrongPasswordUnderLoad(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Password: "4dmin", Users: []string{"web on >other " + leastPrivilege}})
	s := open(t, r.UserURL("web", "s3cret", 0))
	attempts(t, r)
	begin := time.Now()
	failed, stop := busy(t, s, time.Millisecond)
	defer stop()
	time.Sleep(3 * time.Second)
	n, took := attempts(t, r), time.Since(begin)
	if most := 8 + int(took/time.Second) + 1; n > most || n < 2 { // those of the first moment were under way already
		t.Errorf("%d attempts to log in during %v, want no more than %d", n, took, most)
	}
	if failed.Load() < 100 {
		t.Errorf("%d calls failed: they should do so at once", failed.Load())
	}
	must(t, "ACL SETUSER", admin(r, "acl setuser web >s3cret"))
	eventually(t, "log in", func() error { return s.Ping(t.Context()) })
}

// A password is exchanged while the program runs: no call fails, and new connections use the new one.
func testPasswordRotation(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Password: "4dmin", Users: []string{"web on >first " + leastPrivilege}})
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) { must(t, "write", os.WriteFile(file, []byte(text+"\n"), 0o600)) }
	write("first")
	s := open(t, "redis://web@"+r.Addr()+"?password_file="+url.QueryEscape(file))
	failed, stop := busy(t, s, time.Millisecond)
	defer stop()
	must(t, "ACL SETUSER", admin(r, "acl setuser web >second")) // both are valid for a while
	write("second")
	must(t, "ACL SETUSER", admin(r, "acl setuser web <first"))
	time.Sleep(200 * time.Millisecond)
	stop()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d calls failed during the exchange", n)
	}
	must(t, "CLIENT KILL", admin(r, "client kill user web"))
	eventually(t, "log in with the new password", func() error { return s.Ping(t.Context()) })

	write("wr0ng")
	must(t, "CLIENT KILL", admin(r, "client kill user web"))
	eventually(t, "be refused", func() error {
		if err := s.Ping(t.Context()); !errors.Is(err, session.ErrMisconfigured) || !redis.HasErrorPrefix(err, "WRONGPASS") {
			return errors.Join(errors.New("want a refusal"), err)
		}
		return nil
	})
	write("second")
	eventually(t, "log in again", func() error { return s.Ping(t.Context()) })
}
