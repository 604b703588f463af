package servers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A cluster spreads keys over all its nodes, passes messages on between them, and is whole again after a node was away.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	for _, server := range servers.All() {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Server: server})
			testSpread(t, c)
			testMessage(t, c)
			testReturn(t, c)
		})
	}
}

func testSpread(t *testing.T, c *servers.RedisCluster) {
	t.Helper()
	client := redis.NewClusterClient(c.Options())
	defer client.Close()
	ctx := t.Context()
	for i := range 100 {
		k := fmt.Sprint("k", i)
		if err := client.Set(ctx, k, i, 0).Err(); err != nil {
			t.Fatalf("SET: %v", err)
		}
		if got, want := servers.Slot(k), client.ClusterKeySlot(ctx, k).Val(); int64(got) != want {
			t.Errorf("%s: slot %d, want %d", k, got, want)
		}
	}
	if len(c.Nodes()) != 3 {
		t.Fatalf("%d nodes, want 3", len(c.Nodes()))
	}
	sum := int64(0)
	for i, n := range c.Nodes() {
		size := n.Admin().DBSize(ctx).Val()
		if size == 0 {
			t.Errorf("node %d holds no key", i)
		}
		sum += size
	}
	if sum != 100 {
		t.Errorf("the nodes hold %d keys, want 100", sum)
	}
}

func testMessage(t *testing.T, c *servers.RedisCluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a message may get lost
	defer cancel()
	sub := c.Nodes()[0].Admin().Subscribe(ctx, "news")
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatalf("SUBSCRIBE: %v", err)
	}
	if err := c.Nodes()[2].Admin().Publish(ctx, "news", "hello").Err(); err != nil {
		t.Fatalf("PUBLISH: %v", err)
	}
	if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != "hello" {
		t.Errorf("on another node: got message %v, error %v", m, err)
	}
}

func testReturn(t *testing.T, c *servers.RedisCluster) {
	t.Helper()
	ctx := t.Context()
	c.Nodes()[1].Kill()
	c.Nodes()[1].Restart()
	c.Await()
	if size := c.Nodes()[1].Admin().DBSize(ctx).Val(); size != 0 {
		t.Errorf("the node that was killed still has %d keys", size)
	}
	again := redis.NewClusterClient(c.Options()) // without a connection that broke
	defer again.Close()
	for i := range 100 {
		if err := again.Set(ctx, fmt.Sprint("k", i), i, 0).Err(); err != nil {
			t.Fatalf("SET after a restart: %v", err)
		}
	}
}
