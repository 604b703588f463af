package servers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// askTime is how long a node may take to answer a question of these functions. One that is stopped never does.
const askTime = time.Second

// clusterID is the name of a node in its cluster.
func (r *Redis) clusterID() string {
	r.t.Helper()
	id, err := r.admin.Do(context.Background(), "cluster", "myid").Text()
	if err != nil {
		r.t.Fatalf("CLUSTER MYID: %v", err)
	}
	return id
}

// Slot is the slot of a key that has no hash tag: its CRC16 (XMODEM), as the specification of Redis Cluster says.
func Slot(key string) int {
	var crc uint16
	for _, c := range []byte(key) {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % clusterSlots
}

// Owner is the master that serves a slot, or nil while there is none that answers.
func (c *RedisCluster) Owner(slot int) *Redis {
	for _, n := range c.nodes {
		if n.Alive() && n.owns(slot) {
			return n
		}
	}
	return nil
}

func (r *Redis) owns(slot int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	nodes, err := r.admin.ClusterNodes(ctx).Result()
	if err != nil {
		return false
	}
	for line := range strings.Lines(nodes) {
		fields := strings.Fields(line) // id, address, flags, master, ping, pong, epoch, link, slots...
		if len(fields) < 8 || !strings.Contains(fields[2], "myself,master") {
			continue
		}
		for _, text := range fields[8:] {
			from, to := -1, -1
			switch n, _ := fmt.Sscanf(text, "%d-%d", &from, &to); n {
			case 1:
				to = from
				fallthrough
			case 2:
				if from <= slot && slot <= to {
					return true
				}
			}
		}
	}
	return false
}

// BeginMigration begins to move a slot: from then on from asks its clients to look at to for keys that it does not have.
func (c *RedisCluster) BeginMigration(slot int, from, to *Redis) {
	c.t.Helper()
	ctx := context.Background()
	if err := errors.Join(
		to.admin.Do(ctx, "cluster", "setslot", slot, "importing", from.clusterID()).Err(),
		from.admin.Do(ctx, "cluster", "setslot", slot, "migrating", to.clusterID()).Err(),
	); err != nil {
		c.t.Fatalf("begin to move slot %d: %v", slot, err)
	}
}

// MoveKeys moves some keys of a slot whose migration has begun, and returns how many.
func (c *RedisCluster) MoveKeys(slot, limit int, from, to *Redis) int {
	c.t.Helper()
	ctx := context.Background()
	keys, err := from.admin.ClusterGetKeysInSlot(ctx, slot, limit).Result()
	if err != nil {
		c.t.Fatalf("CLUSTER GETKEYSINSLOT: %v", err)
	}
	if len(keys) == 0 {
		return 0
	}
	args := []any{"migrate", "127.0.0.1", to.port, "", 0, 5000}
	if to.opts.Password != "" {
		args = append(args, "auth", to.opts.Password)
	}
	args = append(args, "keys")
	for _, k := range keys {
		args = append(args, k)
	}
	if err := from.admin.Do(ctx, args...).Err(); err != nil {
		c.t.Fatalf("MIGRATE: %v", err)
	}
	return len(keys)
}

// FinishMigration tells all nodes that a slot belongs to to, after all of its keys were moved.
func (c *RedisCluster) FinishMigration(slot int, from, to *Redis) {
	c.t.Helper()
	id := to.clusterID()
	order := []*Redis{to, from} // which becomes a replica if it was the last of its slots
	for _, n := range c.nodes[:clusterMasters] {
		if n != from && n != to {
			order = append(order, n)
		}
	}
	for _, n := range order {
		if err := n.admin.Do(context.Background(), "cluster", "setslot", slot, "node", id).Err(); err != nil {
			c.t.Fatalf("finish to move slot %d: %v", slot, err)
		}
	}
}

// MoveSlot moves a slot with all of its keys.
func (c *RedisCluster) MoveSlot(slot int, from, to *Redis) {
	c.t.Helper()
	c.BeginMigration(slot, from, to)
	for c.MoveKeys(slot, 100, from, to) > 0 {
	}
	c.FinishMigration(slot, from, to)
}
