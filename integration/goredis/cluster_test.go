package goredis_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The suite on a Redis Cluster, through the client of go-redis that knows of clusters.
func TestSuiteCluster(t *testing.T) {
	c := servers.StartRedisCluster(t)
	client := clusterClient(t, c)
	h := harness(nil, "", goredis.DefaultPrefix, 0, goredis.DefaultMaxBytes)
	h.Open = func(context.Context) (session.Handler, error) { return goredis.New(client, nil) }
	h.Garble = func(ctx context.Context, id session.ID) error {
		return client.HSet(ctx, key(id), "r", "not a record").Err()
	}
	t.Run("suite", func(t *testing.T) { sessiontest.Run(t, h) })
	for _, node := range c.Nodes() {
		expectAllExpire(t, node, goredis.DefaultPrefix, 0) // and there is at least one on each node
	}
}

// clusterClient makes a client of a cluster for the time of the test.
func clusterClient(t testing.TB, c *servers.RedisCluster) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(c.Options())
	t.Cleanup(func() { _ = client.Close() })
	return client
}
