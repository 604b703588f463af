package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// Without pipelines there are as many connections as commands, with them fewer: as many as batches are under way, and one more every
// 25 ms as long as none comes back.
func TestPipelinesHaveAnEffect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ pipelines, least, most int }{{-1, 8, 8}, {1, 1, 6}, {0, 2, 6}} {
		for option, open := range map[string]func(addr string) (store, error){
			"goredis.Options.Pipelines": func(addr string) (store, error) {
				client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: 16})
				t.Cleanup(func() { _ = client.Close() })
				return goredis.New(client, &goredis.Options{Pipelines: test.pipelines})
			},
			"redigo.Options.Pipelines": func(addr string) (store, error) {
				return redigo.New(newPool(t, addr, 16), &redigo.Options{Pipelines: test.pipelines})
			},
		} {
			r := servers.StartRedis(t, nil)
			s, err := open(r.Addr())
			must(t, option, err)
			r.Stop() // so that they meet
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), long)
					defer cancel()
					if _, err := s.Read(ctx, newID()); !errors.Is(err, session.ErrNotFound) {
						t.Errorf("%s: %v", option, err)
					}
				})
			}
			time.Sleep(300 * time.Millisecond)
			r.Continue()
			all.Wait()
			list, err := r.Admin().ClientList(t.Context()).Result()
			must(t, "CLIENT LIST", err)
			if n := strings.Count(list, "cmd=hmget"); n < test.least || n > test.most {
				t.Errorf("%s = %d: %d connections, not %d to %d", option, test.pipelines, n, test.least, test.most)
			}
		}
	}
}
