package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// testPipelines has many visitors at once, whose commands share round trips. Each gets the answers to its own commands and no
// others, also while answers are lost and cut off in the middle of a batch.
func testPipelines(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(p *servers.Proxy){
		"whole": func(*servers.Proxy) {},
		"lost":  func(p *servers.Proxy) { p.LoseShare(10) },
		"cut":   func(p *servers.Proxy) { p.Harm(servers.Harm{Truncate: 20}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, nil)
			proxy := servers.StartProxy(t, r.Addr())
			url := strings.Replace(r.URL(), r.Addr(), proxy.Addr(), 1)
			if name == "whole" {
				url = withParams(t, url, patient)
			}
			s := openAsIs(t, url)
			commands(t, r) // from here on
			before := reads(t, r)
			harm(proxy)
			done, failed := visitAtOnce(t, s)
			switch {
			case done == 0:
				t.Errorf("all of %d visits failed", failed)
			case name == "whole" && failed > 0:
				t.Errorf("%d visits failed", failed)
			case name == "whole":
				if trips := reads(t, r) - before; 2*trips > 4*done { // the script that Redis does not know yet, and INFO, are nothing
					t.Errorf("%d visits of four commands took %d round trips", done, trips)
				}
			}
		})
	}
}

// visitAtOnce has 64 visitors come 40 times each.
func visitAtOnce(t *testing.T, s store) (done, failed int64) {
	t.Helper()
	var worked, not atomic.Int64
	var visitors sync.WaitGroup
	for i := range 64 {
		visitors.Go(func() {
			for n := range 40 {
				if err := visit(t.Context(), s, fmt.Sprintf("%d.%d.%s", i, n, strings.Repeat("x", i*n))); err == nil {
					worked.Add(1)
				} else if not.Add(1); !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrCorrupt) {
					t.Error(err)
				}
			}
		})
	}
	visitors.Wait()
	return worked.Load(), not.Load()
}

// visit leads a session through its life, and tells if another one's is answered.
func visit(ctx context.Context, s store, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	var n ticks
	id, rec := newID(), record(n.next(), payload)
	if err := s.Write(ctx, id, rec, session.Version{}); err != nil {
		return err
	}
	got, err := s.Read(ctx, id)
	if err == nil && string(got.Payload) != payload {
		return fmt.Errorf("read %.20q instead of %.20q", got.Payload, payload)
	}
	if err != nil {
		return err
	}
	next := record(n.next(), payload+"2")
	if err := s.Write(ctx, id, next, rec.Version); err != nil {
		return err
	}
	return s.Destroy(ctx, id)
}

// reads is how often the server has read from a connection.
func reads(t testing.TB, r *servers.Redis) (n int64) {
	t.Helper()
	info, err := r.Admin().InfoMap(t.Context(), "stats").Result()
	must(t, "INFO", err)
	_, err = fmt.Sscan(info["Stats"]["total_reads_processed"], &n)
	must(t, "INFO", err)
	return n
}

// breaker is a hook that refuses all batches.
type breaker struct{}

var errBreaker = errors.New("the breaker is open")

func (breaker) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (breaker) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errBreaker }
}

// What a hook of the client refuses was not done, and is not said to be.
func TestPipelinesHook(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	s, err := goredis.New(client, &goredis.Options{Pipelines: 1})
	must(t, "New", err)
	must(t, "Destroy", s.Destroy(t.Context(), newID())) // go-redis logs in with a pipeline
	client.AddHook(breaker{})
	commands(t, r) // from here on
	var all sync.WaitGroup
	var refused atomic.Int64
	must(t, "CLIENT PAUSE", r.Admin().ClientPause(t.Context(), 300*time.Millisecond).Err()) // so that they meet
	for range 8 {
		all.Go(func() {
			if err := s.Destroy(t.Context(), newID()); err != nil {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if done := commands(t, r)["del"]; refused.Load() == 0 || done != 8-int(refused.Load()) {
		t.Errorf("of 8 calls %d were refused, and %d done", refused.Load(), done)
	}
}
