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
	c := servers.StartRedisCluster(t, nil)
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

	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // a message may get lost
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

// A replica takes the place of a master that is gone, and slots move with their keys, also in steps.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*servers.RedisClusterOptions{
		"plain":  {Replicas: 1},
		"secure": {Replicas: 1, Mutual: true, Password: "s3cret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, opts)
			client := redis.NewClusterClient(c.Options())
			defer client.Close()
			ctx := t.Context()
			if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			slot := servers.Slot("k")
			from, to := c.Owner(slot), c.Nodes()[0]
			if from == to {
				to = c.Nodes()[1]
			}
			c.BeginMigration(slot, from, to)
			if n := c.MoveKeys(slot, 10, from, to); n != 1 {
				t.Errorf("%d keys are moved, want 1", n)
			}
			c.FinishMigration(slot, from, to)
			c.MoveSlot(slot, to, from)
			if c.Owner(slot) != from || from.Admin().Get(ctx, "k").Val() != "v" {
				t.Error("the slot is not where it was before")
			}
			if acks, err := from.Admin().Wait(ctx, 1, time.Minute).Result(); acks != 1 {
				t.Fatalf("WAIT: %d, %v", acks, err)
			}

			from.Kill()
			for begin := time.Now(); c.Owner(slot) == nil; time.Sleep(20 * time.Millisecond) {
				if time.Since(begin) > 60*time.Second {
					t.Fatal("no replica was promoted")
				}
			}
			if got := c.Owner(slot).Admin().Get(ctx, "k").Val(); got != "v" {
				t.Errorf("the new master has %q", got)
			}
			from.Restart()
			c.Await()
		})
	}
}
