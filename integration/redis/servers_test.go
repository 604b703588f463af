package redis_test

import (
	"context"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The suite on all servers that are supported, one alone, a cluster, and a master with sentinels; and what the lock's scripts
// answer there, compared with memory.
func testServers(t *testing.T) {
	for _, server := range servers.All() {
		t.Run(string(server), func(t *testing.T) { // one after another: the suite has cases about milliseconds
			r := servers.StartRedis(t, &servers.RedisOptions{Server: server})
			t.Run("single", func(t *testing.T) {
				sessiontest.Run(t, harness(t, r, withParams(t, r.URL(), patient), defaultPrefix, 0, defaultMaxBytes))
			})
			expectAllExpire(t, r, defaultPrefix, 0)

			c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Server: server})
			client := clusterClient(t, c)
			h := harness(t, nil, withParams(t, c.URL(), patient), defaultPrefix, 0, defaultMaxBytes)
			h.Garble = func(ctx context.Context, id session.ID) error {
				return client.HSet(ctx, key(id), "r", "not a record").Err()
			}
			t.Run("cluster", func(t *testing.T) { sessiontest.Run(t, h) })

			s := servers.StartRedisSentinel(t, &servers.RedisSentinelOptions{Server: server})
			t.Run("sentinel", func(t *testing.T) {
				sessiontest.Run(t, harness(t, s.Master(), withParams(t, s.URL(), patient), defaultPrefix, 0, defaultMaxBytes))
			})
		})
	}
}
