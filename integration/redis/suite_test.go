// Package redis_test tests the backends for Redis on real servers.
package redis_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The permissions that the package doc of goredis tells operators to give, and those that session.Exclusive takes besides.
const (
	leastPrivilege = "~nonstick:* +hmget +hset +hdel +pexpire +del +evalsha +eval"
	lockPrivilege  = " &nonstick:* +time +publish +subscribe"
)

func testSuite(t *testing.T) {
	for name, c := range map[string]struct {
		opts           servers.RedisOptions
		user, password string
		db             int
		params         string
	}{
		"tcp":      {},
		"unix":     {opts: servers.RedisOptions{Unix: true}, db: 2},
		"tls":      {opts: servers.RedisOptions{TLS: true}, params: "pool_size=4"}, // handshakes are slow under the race detector
		"mutual":   {opts: servers.RedisOptions{Mutual: true, Password: "p/w@%?"}, password: "p/w@%?", params: "pool_size=4"},
		"database": {db: 3, params: "prefix=shop:&pool_size=4&max_bytes=2000000"},
		"least privilege": {
			opts: servers.RedisOptions{Users: []string{"web on >secret " + leastPrivilege + lockPrivilege}}, user: "web", password: "secret",
		},
	} {
		t.Run(name, func(t *testing.T) { // one after another: the suite has cases about milliseconds
			r := servers.StartRedis(t, &c.opts)
			u := withParams(t, withParams(t, r.UserURL(c.user, c.password, c.db), patient), c.params)
			prefix, tooLarge := defaultPrefix, defaultMaxBytes
			if name == "database" {
				prefix, tooLarge = "shop:", 2_000_000
			}
			t.Run("suite", func(t *testing.T) {
				sessiontest.Run(t, harness(t, r, u, prefix, c.db, tooLarge))
			})
			expectAllExpire(t, r, prefix, c.db)
		})
	}
}

// The suite on clients of go-redis that the program has made: of both versions of the protocol, and of a cluster.
func TestSuiteNew(t *testing.T) {
	r, c := servers.StartRedis(t, nil), servers.StartRedisCluster(t, nil)
	cluster := clusterClient(t, c)
	client := func(protocol int) *redis.Client {
		client := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true, MaxRetries: 3, Protocol: protocol})
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	resp2, resp3 := client(2), client(3)
	for name, open := range map[string]func() (session.Handler, error){
		"RESP2":   func() (session.Handler, error) { return goredis.New(resp2, nil) },
		"RESP3":   func() (session.Handler, error) { return goredis.New(resp3, nil) },
		"cluster": func() (session.Handler, error) { return goredis.New(cluster, nil) },
	} {
		h := harness(t, r, r.URL(), defaultPrefix, 0, defaultMaxBytes)
		h.Open = func(context.Context) (session.Handler, error) { return open() }
		if name == "cluster" {
			h.Garble = func(ctx context.Context, id session.ID) error {
				return cluster.HSet(ctx, key(id), "r", "not a record").Err()
			}
		}
		t.Run(name, func(t *testing.T) { sessiontest.Run(t, h) })
	}
	expectAllExpire(t, r, defaultPrefix, 0)
}

// harness describes a Store at url, which is on r.
func harness(t testing.TB, r *servers.Redis, url, prefix string, db, tooLarge int) sessiontest.Harness {
	return sessiontest.Harness{
		Open:        opener(t, url),
		Toucher:     true,
		Locker:      true,
		Pinger:      true,
		Closer:      true,
		SelfExpires: true,
		TooLarge:    tooLarge,
		Broken:      opener(t, "redis://127.0.0.1:1"), // nobody listens there
		Garble: func(ctx context.Context, id session.ID) error {
			_, err := r.Admin().TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Select(ctx, db)
				p.HSet(ctx, prefix+string(id.AppendBase64(nil)), "r", "not a record")
				p.Select(ctx, 0)
				return nil
			})
			return err
		},
	}
}

// expectAllExpire fails if there is a key that has no time to live, or is not ours.
func expectAllExpire(t *testing.T, r *servers.Redis, prefix string, db int) {
	t.Helper()
	ctx := t.Context()
	conn := r.Admin().Conn()
	defer conn.Close()
	if err := conn.Select(ctx, db).Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for keys := conn.Scan(ctx, 0, "*", 1000).Iterator(); keys.Next(ctx); n++ {
		if !strings.HasPrefix(keys.Val(), prefix) {
			t.Errorf("a key does not begin with the prefix: %.12q...", keys.Val())
		}
		if ttl := conn.PTTL(ctx, keys.Val()).Val(); ttl < 0 && ttl != -2 { // -2: it is gone by now
			t.Errorf("a key has no time to live: PTTL %d", ttl)
		}
	}
	if n == 0 {
		t.Error("no key is left of the suite: looked in the wrong place?")
	}
}
