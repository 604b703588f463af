package fallback_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// redisFaults are those of a Redis, or of the way to it, that is there and does not do what it should.
func redisFaults() map[string]fault {
	const while = 2 * time.Second
	all := map[string]fault{
		"Redis stands still again and again": {lag: true, begin: (*site).flap},
		"Redis is a black hole":              harmRedis(servers.Harm{Hole: true}),
		"Redis evicts sessions":              evicting(),
		"Redis loads its data for seconds":   loading(),
		"Redis runs a script without end":    busy(),
		"Redis pauses writes": {lasts: while, begin: func(s *site) {
			s.must(s.redis.Admin().Do(s.t.Context(), "client", "pause", while.Milliseconds(), "write").Err())
		}},
		"Redis takes no more connections": pinned(while,
			[]any{"config", "set", "maxclients", "1"}, []any{"config", "set", "maxclients", "10000"}),
		"Redis has another password": pinned(while,
			[]any{"config", "set", "requirepass", "another"}, []any{"config", "set", "requirepass", ""}),
		"Redis denies scripts": pinned(while,
			[]any{"acl", "setuser", "default", "-evalsha", "-eval"}, []any{"acl", "setuser", "default", "+@all"}),
		"Redis drips its answers": harmRedis(servers.Harm{Drip: 1000}),
		"Redis cuts answers off":  harmRedis(servers.Harm{Truncate: 50}),
		"Redis flips bits":        harmRedis(servers.Harm{Flip: 50}),
	}
	for _, ms := range []time.Duration{20, 80, 200} {
		all[fmt.Sprintf("Redis is %d ms late", ms)] = harmRedis(servers.Harm{Delay: ms * time.Millisecond})
	}
	return all
}

// harmRedis does harm on the way from Redis. Nodes may disagree about it then.
func harmRedis(h servers.Harm) fault {
	all := func(s *site, h servers.Harm) {
		for _, n := range s.nodes {
			n.redis.Harm(h)
		}
	}
	return fault{
		lag: true, lasts: 3 * time.Second,
		begin: func(s *site) { all(s, h) },
		end: func(s *site) {
			for i, n := range s.nodes {
				if st := n.store.Status(); h.Delay >= 200*time.Millisecond && st.FastUp && st.Believed { // one that has heard of others' trouble does not ask either
					s.t.Errorf("node %d goes on asking a Redis that is %v late", i, h.Delay)
				}
			}
			all(s, servers.Harm{})
			var harmed int64
			for _, n := range s.nodes {
				harmed += n.redis.Harmed()
			}
			if (h.Flip > 0 || h.Truncate > 0) && harmed == 0 {
				s.t.Error("no answer was harmed")
			}
		},
	}
}

// flap makes Redis stand still and go on, for some seconds.
func (s *site) flap() {
	for end := time.Now().Add(while(5 * time.Second)); time.Now().Before(end); {
		s.redis.Stop()
		time.Sleep(time.Duration(200+rand.IntN(500)) * time.Millisecond)
		s.redis.Continue()
		time.Sleep(time.Duration(200+rand.IntN(500)) * time.Millisecond)
	}
}

// pinned runs a command on a connection that outlives it, with all others ended, and later another one.
func pinned(lasts time.Duration, begin, end []any) fault {
	var conn *redis.Conn
	return fault{lasts: lasts,
		before: func(s *site) {
			conn = s.redis.Admin().Conn()
			s.must(conn.Ping(s.t.Context()).Err())
			s.t.Cleanup(func() { _ = conn.Close() })
		},
		begin: func(s *site) {
			s.must(conn.Do(s.t.Context(), begin...).Err())
			s.must(conn.ClientKillByFilter(s.t.Context(), "TYPE", "normal").Err())
		},
		end: func(s *site) {
			s.must(conn.Do(s.t.Context(), end...).Err())
			_ = conn.Close() // the pool is small, and there may be many faults
		},
	}
}

// evicting fills Redis with what is used more recently than sessions are, so that those go.
func evicting() fault {
	return fault{
		redis: &servers.RedisOptions{Config: []string{"maxmemory-policy allkeys-random"}},
		lasts: 3 * time.Second,
		begin: func(s *site) {
			used, err := s.redis.Admin().InfoMap(s.t.Context(), "memory").Result()
			s.must(err)
			memory, err := strconv.Atoi(used["Memory"]["used_memory"])
			s.must(err)
			s.must(s.redis.Admin().ConfigSet(s.t.Context(), "maxmemory", fmt.Sprint(memory+1<<20)).Err())
			for range 10 {
				s.fill(2000)
			}
		},
		end: func(s *site) {
			stats, err := s.redis.Admin().InfoMap(s.t.Context(), "stats").Result()
			s.must(err)
			s.must(s.redis.Admin().ConfigSet(s.t.Context(), "maxmemory", "0").Err())
			if evicted := stats["Stats"]["evicted_keys"]; evicted == "0" {
				s.t.Error("Redis has evicted nothing")
			} else {
				s.t.Logf("Redis has evicted %s keys", evicted)
			}
		},
	}
}

// fill puts keys of nobody into Redis.
func (s *site) fill(keys int) {
	s.t.Helper()
	pipe := s.redis.Admin().Pipeline()
	for range keys {
		pipe.Set(s.t.Context(), fmt.Sprint("filler", rand.Uint64()), strings.Repeat("x", 100), 0)
	}
	_, err := pipe.Exec(s.t.Context())
	s.must(err)
}

// loading kills Redis, which then takes seconds to read what it has saved.
func loading() fault {
	return fault{
		redis: &servers.RedisOptions{Config: []string{"key-load-delay 1000", "loading-process-events-interval-bytes 1024"}},
		before: func(s *site) {
			s.fill(2000)
			s.must(s.redis.Admin().Save(s.t.Context()).Err())
		},
		begin: func(s *site) { s.redis.Kill(); s.redis.Restart() },
	}
}

// busy keeps Redis busy with a script, so that it refuses everything else.
func busy() fault {
	return fault{
		redis: &servers.RedisOptions{Config: []string{"busy-reply-threshold 100"}},
		lasts: 3 * time.Second,
		begin: func(s *site) {
			go func() { // it is ended by an error
				_ = s.redis.Admin().Eval(context.Background(), "while true do end", nil).Err()
			}()
		},
		end: func(s *site) { s.must(s.redis.Admin().ScriptKill(s.t.Context()).Err()) },
	}
}
