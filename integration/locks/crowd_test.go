package locks_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// crowd is what becomes of 10,000 requests on two nodes that want a session which somebody else has.
type crowd struct {
	refusals []time.Duration // how long each refusal took
	served   int
	inQueue  int           // waiters in Redis meanwhile, the most that were seen
	memory   uint64        // of the process, more than before, while they wait
	ended    time.Duration // the wait of the last one that was served
}

func runCrowd(t testing.TB, limit int) crowd {
	const requests = 10_000
	r := servers.StartRedis(t, nil)
	var nodes [2]*session.Manager
	for i := range nodes {
		nodes[i] = manager(t, r, session.LockOptions{MaxWaiters: limit, MaxWait: time.Minute})
	}
	cookie := newSession(t, nodes[0])
	locked, release := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		m := manager(t, r, session.LockOptions{})
		err := request(t.Context(), m, cookie, session.Exclusive, func(*session.Session) { close(locked); <-release })
		if err != nil {
			t.Error(err)
		}
	})
	<-locked
	var c crowd
	var mu sync.Mutex
	var all sync.WaitGroup
	before := used()
	for i := range requests {
		all.Go(func() {
			begin := time.Now()
			err := request(t.Context(), nodes[i%2], cookie, session.Exclusive, func(s *session.Session) { _ = count.Set(s, count.Get(s)+1) })
			took := time.Since(begin) // without the wait for the mutex
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				c.served++
				c.ended = max(c.ended, took)
			case errors.Is(err, session.ErrLocked):
				c.refusals = append(c.refusals, took)
			default:
				t.Error(err)
			}
		})
	}
	for seen := 0; seen < 10; time.Sleep(20 * time.Millisecond) { // until nobody else is refused, and a while longer
		mu.Lock()
		if len(c.refusals) >= requests-2*(limit+1) {
			seen++
		}
		mu.Unlock()
		c.inQueue = max(c.inQueue, queued(t, r))
	}
	c.memory = used() - min(before, used())
	close(release)
	all.Wait()
	holder.Wait()
	slices.Sort(c.refusals)
	return c
}

// queued returns how many waiters the sessions in Redis have.
func queued(t testing.TB, r *servers.Redis) int {
	t.Helper()
	keys, err := r.Admin().Keys(t.Context(), "nonstick:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, key := range keys {
		queue := r.Admin().HGet(t.Context(), key, "q").Val()
		n += strings.Count(queue, ";")
	}
	return n
}

// used returns the memory in use, without garbage.
func used() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// TestCrowd has 10,000 requests want one session: as many as may wait do, one of each node in Redis, and the others are
// refused at once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	c := runCrowd(t, 32)
	// On each node one more may come in while the first one asks Redis and does not know yet that it has to wait.
	if c.served < 2*32 || c.served > 2*33 || c.served+len(c.refusals) != 10_000 {
		t.Errorf("%d were served and %d refused, of two nodes on which 32 may wait", c.served, len(c.refusals))
	}
	if c.inQueue > 2 || c.inQueue == 0 {
		t.Errorf("%d waiters of two nodes were in Redis at once", c.inQueue)
	}
}

// BenchmarkCrowd tells what TestCrowd does not look at.
func BenchmarkCrowd(b *testing.B) {
	b.Run("32-may-wait", func(b *testing.B) {
		for b.Loop() {
			c := runCrowd(b, 32)
			b.ReportMetric(float64(c.refusals[len(c.refusals)/2].Microseconds()), "refusal-p50-µs")
			b.ReportMetric(float64(c.refusals[len(c.refusals)*99/100].Microseconds()), "refusal-p99-µs")
			b.ReportMetric(float64(c.memory)/(1<<20), "MiB-more")
			b.ReportMetric(float64(c.inQueue), "queued-in-redis")
		}
	})
	b.Run("all-may-wait", func(b *testing.B) {
		for b.Loop() {
			c := runCrowd(b, 5000)
			b.ReportMetric(float64(c.memory)/(1<<20), "MiB-more")
			b.ReportMetric(float64(c.inQueue), "queued-in-redis")
			b.ReportMetric(10_000/c.ended.Seconds(), "served/s")
		}
	})
}
