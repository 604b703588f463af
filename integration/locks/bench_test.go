package locks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	backend "github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// section raises a counter in Redis under a lock, on one of several nodes, and takes its time in between.
type section func(ctx context.Context, node int, work time.Duration) error

// method makes nodes that lock in one way, and returns a section and the counter.
type method struct {
	name string
	make func(b *testing.B, r *servers.Redis, nodes int, requests *atomic.Int64) (section, func() int)
}

// counting counts the commands that a client sends.
type counting struct{ n *atomic.Int64 }

func (c counting) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

func client(b *testing.B, r *servers.Redis, requests *atomic.Int64) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 32, DisableIdentity: true})
	c.AddHook(counting{requests})
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// exclusive is ours.
func exclusive(b *testing.B, r *servers.Redis, nodes int, requests *atomic.Int64) (section, func() int) {
	managers := make([]*session.Manager, nodes)
	for i := range managers {
		store, err := backend.New(client(b, r, requests), nil)
		if err != nil {
			b.Fatal(err)
		}
		m, err := session.New(store, session.Options{
			Observer: session.Silent{}, ReadTimeout: 10 * time.Second, CommitTimeout: 10 * time.Second,
			Lock: session.LockOptions{MaxWait: time.Minute, MaxWaiters: 1000},
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = m.Close() })
		managers[i] = m
	}
	cookie := newSession(b, managers[0])
	return func(ctx context.Context, node int, work time.Duration) error {
			return request(ctx, managers[node], cookie, session.Exclusive, func(s *session.Session) {
				n := count.Get(s)
				pause(work)
				_ = count.Set(s, n+1)
			})
		}, func() (n int) {
			_ = request(context.Background(), managers[0], cookie, session.ReadOnly, func(s *session.Session) { n = count.Get(s) })
			return n
		}
}

// guarded is a session as a string beside a lock that a library or the usual commands make.
func guarded(lock func(b *testing.B, c *redis.Client) func(ctx context.Context) (unlock func(), err error)) func(*testing.B, *servers.Redis, int, *atomic.Int64) (section, func() int) {
	return func(b *testing.B, r *servers.Redis, nodes int, requests *atomic.Int64) (section, func() int) {
		clients := make([]*redis.Client, nodes)
		locks := make([]func(context.Context) (func(), error), nodes)
		for i := range clients {
			clients[i] = client(b, r, requests)
			locks[i] = lock(b, clients[i])
		}
		r.Admin().Set(b.Context(), "session", 0, 0)
		return func(ctx context.Context, node int, work time.Duration) error {
				unlock, err := locks[node](ctx)
				if err != nil {
					return err
				}
				defer unlock()
				n, err := clients[node].Get(ctx, "session").Int()
				if err != nil {
					return err
				}
				pause(work)
				return clients[node].Set(ctx, "session", n+1, time.Hour).Err()
			}, func() int {
				n, _ := r.Admin().Get(context.Background(), "session").Int()
				return n
			}
	}
}

func redislockDefault(_ *testing.B, c *redis.Client) func(context.Context) (func(), error) {
	locker := redislock.New(c)
	return func(ctx context.Context) (func(), error) {
		// Without a RetryStrategy it does not wait at all; this is the one of its documentation.
		l, err := locker.Obtain(ctx, "lock", 5*time.Second, &redislock.Options{RetryStrategy: redislock.LinearBackoff(100 * time.Millisecond)})
		if err != nil {
			return nil, err
		}
		return func() { _ = l.Release(ctx) }, nil
	}
}

func redsyncDefault(_ *testing.B, c *redis.Client) func(context.Context) (func(), error) {
	rs := redsync.New(goredis.NewPool(c))
	return func(ctx context.Context) (func(), error) {
		l := rs.NewMutex("lock")
		for { // its 32 tries are not enough for everybody
			err := l.LockContext(ctx)
			if err == nil {
				return func() { _, _ = l.UnlockContext(ctx) }, nil
			}
			if _, taken := errors.AsType[*redsync.ErrTaken](err); !taken && !errors.Is(err, redsync.ErrFailed) {
				return nil, err
			}
		}
	}
}

// polling is what the session handlers of PHP do.
func polling(every time.Duration) func(_ *testing.B, c *redis.Client) func(context.Context) (func(), error) {
	release := redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)
	return func(_ *testing.B, c *redis.Client) func(context.Context) (func(), error) {
		var last atomic.Int64
		return func(ctx context.Context) (func(), error) {
			token := fmt.Sprintf("%p-%d", c, last.Add(1))
			for {
				ok, err := c.SetNX(ctx, "lock", token, 5*time.Second).Result()
				if err != nil {
					return nil, err
				}
				if ok {
					return func() { release.Run(ctx, c, []string{"lock"}, token) }, nil
				}
				time.Sleep(every)
			}
		}
	}
}

// pause takes d, and no longer: the timer of a process with nothing else to do is up to half a millisecond late, which
// would be charged to the locks.
func pause(d time.Duration) {
	begin := time.Now()
	time.Sleep(d - time.Millisecond)
	for time.Since(begin) < d {
		runtime.Gosched()
	}
}

// BenchmarkContended has clients of several nodes want one session all the time. The ideal of a section of 5 ms is 200/s.
func BenchmarkContended(b *testing.B) {
	ours := method{"exclusive", exclusive}
	for _, setting := range []struct {
		name                   string
		clients, nodes, rounds int
		work                   time.Duration
		methods                []method
	}{
		{"16-clients-3-nodes-5ms", 16, 3, 30, 5 * time.Millisecond, []method{
			ours, {"redislock", guarded(redislockDefault)}, {"redsync", guarded(redsyncDefault)},
		}},
		{"16-clients-16-nodes-5ms", 16, 16, 30, 5 * time.Millisecond, []method{ours, {"redislock", guarded(redislockDefault)}}},
		{"200-clients-4-nodes-empty", 200, 4, 5, 0, []method{
			ours, {"poll-20ms", guarded(polling(20 * time.Millisecond))}, {"redislock", guarded(redislockDefault)},
		}},
	} {
		for round := range 3 { // interleaved
			for _, method := range setting.methods {
				b.Run(setting.name+"/"+method.name+"/"+strconv.Itoa(round), func(b *testing.B) {
					for b.Loop() {
						contend(b, method, setting.clients, setting.nodes, setting.rounds, setting.work)
					}
				})
			}
		}
	}
}

func contend(b *testing.B, how method, clients, nodes, rounds int, work time.Duration) {
	r := servers.StartRedis(b, nil)
	var requests atomic.Int64
	do, counter := how.make(b, r, nodes, &requests)
	if err := do(b.Context(), 0, 0); err != nil { // scripts are loaded, connections made
		b.Fatal(err)
	}
	requests.Store(0)
	var mu sync.Mutex
	var times []time.Duration
	var failed atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			for range rounds {
				start := time.Now()
				if err := do(b.Context(), i%nodes, work); err != nil {
					failed.Add(1)
					continue
				}
				mu.Lock()
				times = append(times, time.Since(start))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	slices.Sort(times)
	done := float64(len(times))
	b.ReportMetric(done/took.Seconds(), "sections/s")
	b.ReportMetric(float64(requests.Load())/done, "commands/section")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(done+1-float64(counter()), "lost")
	b.ReportMetric(float64(failed.Load()), "failed")
}

// BenchmarkUncontended is a request that changes a session of 1 KiB, alone.
func BenchmarkUncontended(b *testing.B) {
	r := servers.StartRedis(b, nil)
	m := manager(b, r, session.LockOptions{})
	cookie := newSession(b, m)
	err := request(b.Context(), m, cookie, session.Optimistic, func(s *session.Session) {
		_ = word.Set(s, string(make([]byte, 170))) // 1 KiB as JSON
	})
	if err != nil {
		b.Fatal(err)
	}
	for round := range 5 {
		for _, mode := range []session.Mode{session.Optimistic, session.Exclusive} {
			b.Run(fmt.Sprint(mode, "/", round), func(b *testing.B) {
				b.ReportAllocs()
				in := http.Header{"Cookie": {cookie}}
				for b.Loop() {
					x := m.Begin(b.Context(), in)
					s, err := x.Get(mode)
					if err == nil {
						err = count.Set(s, count.Get(s)+1)
					}
					if err == nil {
						err = x.Commit(http.Header{})
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
