package main

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	redsyncgoredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	lockClients = 16
	lockHold    = 5 * time.Millisecond
	lockIdeal   = "mutex" // the way that others are measured against
)

// lockWay is one way to raise a counter in Redis, by one node at a time.
type lockWay interface {
	// section has inside called while the node has the lock.
	section(ctx context.Context, node int, inside func()) error
	count(ctx context.Context) (int, error)
	close()
}

// lockWays are the ways, each with clients of its own for each node.
func lockWays() []struct {
	name string
	open func(addr string, nodes int) (lockWay, error)
} {
	with := func(lock func(*redis.Client) lockFunc) func(string, int) (lockWay, error) {
		return func(addr string, nodes int) (lockWay, error) { return openLocked(addr, nodes, lock) }
	}
	ours := func(open openStore) func(string, int) (lockWay, error) {
		return func(addr string, nodes int) (lockWay, error) { return openExclusive(addr, nodes, open) }
	}
	return []struct {
		name string
		open func(addr string, nodes int) (lockWay, error)
	}{
		{lockIdeal, func(string, int) (lockWay, error) { return new(mutexWay), nil }},
		{"nonstick-goredis", ours(openGoredisURL)},
		{"nonstick-redigo", ours(openRedigoURL)},
		{"redislock-1ms", with(redislockOften)},
		{"redsync", with(redsyncDefault)},
	}
}

// locks measures each way once: the clients, one for each node, want the lock again 5 ms after they had it.
func (b *bench) locks(round int) error {
	clients := lockClients
	if b.clients > 0 {
		clients = min(clients, b.clients)
	}
	for _, way := range lockWays() {
		w, err := way.open(b.spare.addr, clients)
		if err != nil {
			return err
		}
		run, err := b.contend(w, clients)
		w.close()
		if err != nil {
			return errors.Join(errors.New(way.name), err)
		}
		run.Variant, run.Round = way.name, round
		b.result.Runs = append(b.result.Runs, run)
	}
	return nil
}

// contend is one way in one round. Latencies are those of the wait.
func (b *bench) contend(w lockWay, clients int) (Run, error) {
	ctx := context.Background()
	if err := warm(ctx, w, clients); err != nil {
		return Run{}, err
	}
	admin := redis.NewClient(&redis.Options{Addr: b.spare.addr, DisableIdentity: true})
	defer func() { _ = admin.Close() }()
	before, err := readsOf(ctx, admin)
	if err != nil {
		return Run{}, err
	}
	was, err := w.count(ctx)
	if err != nil {
		return Run{}, err
	}
	waits, failed := make([][]time.Duration, clients), make([]int, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			for asked := begin; asked.Sub(begin) < 8*b.each; asked = time.Now() {
				err := w.section(ctx, i, func() {
					waits[i] = append(waits[i], time.Since(asked))
					hold(lockHold)
				})
				if err != nil {
					failed[i]++
				}
				time.Sleep(lockHold)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin).Seconds()
	after, err := readsOf(ctx, admin)
	if err != nil {
		return Run{}, err
	}
	is, err := w.count(ctx)
	return lockRun(waits, failed, took, after-before-1, is-was), err
}

// warm has each client have the lock once, so that connections are made and scripts loaded.
func warm(ctx context.Context, w lockWay, clients int) error {
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { errs[i] = w.section(ctx, i, func() {}) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func lockRun(waits [][]time.Duration, failed []int, seconds, reads float64, counted int) Run {
	all := slices.Concat(waits...)
	slices.Sort(all)
	r := Run{Workload: "lock", Clients: len(waits), Requests: len(all), Lost: len(all) - counted, Rate: float64(len(all)) / seconds}
	r.P50, r.P99, r.Trips = percentile(all, 0.50), percentile(all, 0.99), reads/float64(max(1, len(all)))
	fewest, most := len(all), 0
	for i := range waits {
		fewest, most = min(fewest, len(waits[i])), max(most, len(waits[i]))
		r.Refused += failed[i]
	}
	r.Fairness = float64(fewest) / float64(max(1, most))
	return r
}

// hold takes d, and no longer: the timer of a process with nothing else to do is up to half a millisecond late, which
// would be charged to the locks.
func hold(d time.Duration) {
	begin := time.Now()
	time.Sleep(d - time.Millisecond)
	for time.Since(begin) < d {
		runtime.Gosched()
	}
}

// readsOf is how often clients have sent something to Redis.
func readsOf(ctx context.Context, admin *redis.Client) (float64, error) {
	text, err := admin.Info(ctx, "stats").Result()
	_, text, _ = strings.Cut(text, "total_reads_processed:")
	text, _, _ = strings.Cut(text, "\r")
	n, failed := strconv.ParseFloat(text, 64)
	return n, errors.Join(err, failed)
}

// mutexWay is the ideal: nodes that are in one process.
type mutexWay struct {
	mu sync.Mutex
	n  int
}

func (w *mutexWay) section(_ context.Context, _ int, inside func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	inside()
	w.n++
	return nil
}

func (w *mutexWay) count(context.Context) (int, error) { return w.n, nil }
func (w *mutexWay) close()                             {}

// exclusiveWay is ours.
type exclusiveWay struct {
	managers []*session.Manager
	key      session.Key[int]
	cookie   http.Header
}

func openExclusive(addr string, nodes int, open openStore) (lockWay, error) {
	w := &exclusiveWay{key: session.NewKey[int]("count"), cookie: make(http.Header)}
	for range nodes {
		store, err := open(env{redis: addr})
		if err != nil {
			return nil, err
		}
		m, err := session.New(store, session.Options{
			Observer: session.Silent{}, ReadTimeout: 10 * time.Second, CommitTimeout: 10 * time.Second,
			Lock: session.LockOptions{MaxWait: time.Minute},
		})
		if err != nil {
			return nil, err
		}
		w.managers = append(w.managers, m)
	}
	out := make(http.Header)
	err := request(w.managers[0], w.cookie, out, session.Optimistic, func(s *session.Session) error { return w.key.Set(s, 0) })
	cookie, _, _ := strings.Cut(out.Get("Set-Cookie"), ";")
	w.cookie.Set("Cookie", cookie)
	return w, err
}

// request is one request for a session.
func request(m *session.Manager, in, out http.Header, mode session.Mode, use func(*session.Session) error) error {
	x := m.Begin(context.Background(), in)
	defer x.Abort()
	s, err := x.Get(mode)
	if err != nil {
		return err
	}
	if err := use(s); err != nil {
		return err
	}
	return x.Commit(out)
}

func (w *exclusiveWay) section(_ context.Context, node int, inside func()) error {
	return request(w.managers[node], w.cookie, make(http.Header), session.Exclusive, func(s *session.Session) error {
		n := w.key.Get(s)
		inside()
		return w.key.Set(s, n+1)
	})
}

func (w *exclusiveWay) count(context.Context) (n int, err error) {
	err = request(w.managers[0], w.cookie, make(http.Header), session.ReadOnly, func(s *session.Session) error {
		n = w.key.Get(s)
		return nil
	})
	return n, err
}

func (w *exclusiveWay) close() {
	for _, m := range w.managers {
		_ = m.Close()
	}
}

// lockFunc takes a lock and returns what releases it.
type lockFunc func(context.Context) (unlock func(), err error)

// lockedWay is a number beside the lock of a library.
type lockedWay struct {
	clients []*redis.Client
	locks   []lockFunc
}

func openLocked(addr string, nodes int, lock func(*redis.Client) lockFunc) (lockWay, error) {
	w := new(lockedWay)
	for range nodes {
		c := goredisClient(env{redis: addr})
		w.clients, w.locks = append(w.clients, c), append(w.locks, lock(c))
	}
	return w, w.clients[0].Set(context.Background(), "number", 0, 0).Err()
}

func (w *lockedWay) section(ctx context.Context, node int, inside func()) error {
	unlock, err := w.locks[node](ctx)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := w.clients[node].Get(ctx, "number").Int()
	if err != nil {
		return err
	}
	inside()
	return w.clients[node].Set(ctx, "number", n+1, time.Hour).Err()
}

func (w *lockedWay) count(ctx context.Context) (int, error) {
	return w.clients[0].Get(ctx, "number").Int()
}

func (w *lockedWay) close() {
	for _, c := range w.clients {
		_ = c.Close()
	}
}

// redislockOften asks each millisecond, which is the fastest: with the 100 ms of its documentation it reaches half as much.
func redislockOften(c *redis.Client) lockFunc {
	locker := redislock.New(c)
	return func(ctx context.Context) (func(), error) {
		l, err := locker.Obtain(ctx, "lock", 30*time.Second, &redislock.Options{RetryStrategy: redislock.LinearBackoff(time.Millisecond)})
		if err != nil {
			return nil, err
		}
		return func() { _ = l.Release(ctx) }, nil
	}
}

func redsyncDefault(c *redis.Client) lockFunc {
	rs := redsync.New(redsyncgoredis.NewPool(c))
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
