package redis_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	pool "github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// newPool makes a pool as the example of redigo.New does, but for patience. Its time to answer is shorter than a
// subscription may be silent.
func newPool(t testing.TB, addr string, size int) *pool.Pool {
	p := &pool.Pool{
		MaxActive: size, MaxIdle: size, Wait: true,
		DialContext: func(ctx context.Context) (pool.Conn, error) {
			return pool.DialContext(ctx, "tcp", addr, pool.DialConnectTimeout(5*time.Second),
				pool.DialReadTimeout(500*time.Millisecond), pool.DialWriteTimeout(5*time.Second))
		},
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// wrapped is a pool of another type.
type wrapped struct{ *pool.Pool }

func TestSuitePool(t *testing.T) {
	r := servers.StartRedis(t, nil)
	old := &pool.Pool{Dial: func() (pool.Conn, error) { return pool.Dial("tcp", r.Addr()) }}
	t.Cleanup(func() { _ = old.Close() })
	for name, p := range map[string]redigo.Pool{"pool": newPool(t, r.Addr(), 16), "of another type": wrapped{old}} {
		h := harness(t, r, r.URL(), defaultPrefix, 0, defaultMaxBytes)
		h.Open = func(context.Context) (session.Handler, error) { return redigo.New(p, nil) }
		t.Run(name, func(t *testing.T) { sessiontest.Run(t, h) })
	}
	expectAllExpire(t, r, defaultPrefix, 0)
	subscriptions(t, r.Admin(), 0)
}

// A pool's time to answer does not end a subscription, and its size does not limit it; Close does.
func TestPoolSubscription(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s, err := redigo.New(newPool(t, r.Addr(), 1), nil)
	must(t, "New", err)
	listening(t, s)
	before := pubsub(t, r)
	time.Sleep(2 * time.Second)
	if after := pubsub(t, r); after != before || before == "" {
		t.Errorf("the subscription was %q and is %q", before, after)
	}
	must(t, "Close", s.Close())
	subscriptions(t, r.Admin(), 0)
}

// Whoever waits for a connection of a pool, or for an answer, does so for a second when the context has no deadline.
func TestPoolStalls(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s, err := redigo.New(newPool(t, r.Addr(), 2), nil)
	must(t, "New", err)
	must(t, "Ping", s.Ping(t.Context()))
	r.Stop()
	defer r.Continue()
	begin := time.Now()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := s.Read(context.Background(), newID()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("a server that stalls: got error %v", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the last call returned after %v", took)
	}
}

// redigo makes room for whatever length is claimed. Who claims one that no memory has is no Redis, and ends no program.
func TestPoolBelievesNobody(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"$999999999999999999\r\n", "*999999999999999999\r\n"} {
		for _, at := range []string{"", ":secret@"} { // to a command, and to the login
			s, err := redigo.Open("redis://" + at + serve(t, func([]string) string { return answer }) + "?pool_size=1&pool_timeout=5s")
			must(t, "Open", err)
			for range 3 {
				if _, err := s.Read(t.Context(), newID()); !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("got error %v, want %v", err, session.ErrUnavailable)
				}
			}
			must(t, "Close", s.Close())
		}
	}
}

// Close ends all goroutines: those that listen, and those that look around in clusters and at sentinels while nobody is
// there. It waits for no server.
func TestCloseLeavesNothing(t *testing.T) { // not parallel, as others have goroutines
	single, cluster, sentinel := servers.StartRedis(t, nil), servers.StartRedisCluster(t, nil), servers.StartRedisSentinel(t, nil)
	for name, c := range map[string]struct {
		url  string
		stop []*servers.Redis
	}{
		"single":   {single.URL(), []*servers.Redis{single}},
		"cluster":  {cluster.URL(), cluster.Nodes()},
		"sentinel": {sentinel.URL(), append(sentinel.Sentinels(), sentinel.Master())},
	} {
		for _, client := range []string{"TestGoredis", "TestRedigo"} {
			name := name + " of " + client
			s, err := openFor(client, withParams(t, c.url, "dial_timeout=1s&pool_timeout=1s"))
			must(t, "Open", err)
			listening(t, s)
			for _, r := range c.stop {
				r.Stop()
			}
			for range 20 {
				_, _ = s.Read(t.Context(), newID())
			}
			begin := time.Now()
			must(t, "Close", s.Close())
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("%s: Close took %v", name, took)
			}
			for _, r := range c.stop {
				r.Continue()
			}
			eventually(t, name, goroutinesGone)
		}
	}
}

// goroutinesGone tells which goroutine of a backend there is.
func goroutinesGone() error {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "nonstick/backends/") && !strings.Contains(stack, "goroutinesGone") {
			return fmt.Errorf("a goroutine is left:\n%s", stack)
		}
	}
	return nil
}
