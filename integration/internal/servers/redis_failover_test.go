package servers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A replica takes the place of a master that is gone, and the master comes back as its replica.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	for server, opts := range map[servers.Server]servers.RedisClusterOptions{
		servers.Redis7:  {Replicas: 1},
		servers.Redis8:  {Replicas: 1, Mutual: true, Password: "s3cret"},
		servers.Valkey8: {Replicas: 1, Mutual: true, Password: "s3cret"},
	} {
		opts.Server = server
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, &opts)
			client := redis.NewClusterClient(c.Options())
			defer client.Close()
			if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
			testFailover(t, c, servers.Slot("k"))
		})
	}
}

func testFailover(t *testing.T, c *servers.RedisCluster, slot int) {
	t.Helper()
	master := c.Owner(slot)
	replicas := c.ReplicasOf(master)
	if !slices.Equal(c.Masters(), c.Nodes()[:3]) || len(replicas) != 1 {
		t.Fatalf("%d masters, %d replicas of one of them", len(c.Masters()), len(replicas))
	}
	if acks, err := master.Admin().Wait(t.Context(), 1, time.Minute).Result(); acks != 1 {
		t.Fatalf("WAIT: %d, %v", acks, err)
	}
	master.Kill()
	for begin := time.Now(); c.Owner(slot) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("no replica was promoted")
		}
	}
	if c.Owner(slot) != replicas[0] {
		t.Error("a replica of another master was promoted")
	}
	if got := replicas[0].Admin().Get(t.Context(), "k").Val(); got != "v" {
		t.Errorf("the new master has %q", got)
	}
	c.Await() // before the old master comes back and takes itself for one
	master.Restart()
	c.Await()
	if got := c.ReplicasOf(replicas[0]); len(got) != 1 || got[0] != master {
		t.Errorf("the new master has the replicas %v", got)
	}
}

// Slots move with their keys, one in steps, and many.
func TestRedisClusterMigration(t *testing.T) {
	t.Parallel()
	for server, opts := range map[servers.Server]servers.RedisClusterOptions{
		servers.Redis7:  {Replicas: 1, Mutual: true, Password: "s3cret"},
		servers.Redis8:  {Masters: 4, NodeTimeout: 5 * time.Second},
		servers.Valkey8: {Replicas: 1},
	} {
		opts.Server = server
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			c := servers.StartRedisCluster(t, &opts)
			client := redis.NewClusterClient(c.Options())
			defer client.Close()
			testHalfMoved(t, c, client)
			testManyMoved(t, c, client)
		})
	}
}

// While a slot moves, some of its keys are here and some there, and a client finds all.
func testHalfMoved(t *testing.T, c *servers.RedisCluster, client *redis.ClusterClient) {
	t.Helper()
	ctx := t.Context()
	slot, keys := servers.Slot("a"), []string{"{a}1", "{a}2"} // 15495, which the last master has
	from, to := c.Owner(slot), c.Nodes()[1]
	for _, k := range keys {
		if err := client.Set(ctx, k, "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	c.BeginMigration(slot, from, to)
	if n := c.MoveKeys(slot, 1, from, to); n != 1 {
		t.Errorf("%d keys are moved, want 1", n)
	}
	for _, k := range keys {
		if got, err := client.Get(ctx, k).Result(); got != "v" {
			t.Errorf("%s while its slot moves: %q, %v", k, got, err)
		}
	}
	if c.Owner(slot) != from {
		t.Error("the slot has another owner before its keys have moved")
	}
	for c.MoveKeys(slot, 1, from, to) > 0 {
	}
	c.FinishMigration(slot, from, to)
	if c.Owner(slot) != to {
		t.Error("the slot has not moved")
	}
}

func testManyMoved(t *testing.T, c *servers.RedisCluster, client *redis.ClusterClient) {
	t.Helper()
	ctx := t.Context()
	from, to := c.Nodes()[0], c.Nodes()[1]
	const keys, moved = 500, 500
	for i := range keys {
		if err := client.Set(ctx, fmt.Sprint("k", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	c.MoveSlots(0, moved-1, from, to)
	t.Logf("%d slots moved in %v", moved, time.Since(begin))
	c.Await()
	if c.Owner(0) != to || c.Owner(moved-1) != to || c.Owner(moved) != from {
		t.Error("other slots have moved, or these have not")
	}
	for i := range keys {
		if got, err := client.Get(ctx, fmt.Sprint("k", i)).Result(); got != fmt.Sprint(i) {
			t.Fatalf("k%d after the move: %q, %v", i, got, err)
		}
	}
}
