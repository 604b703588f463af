package servers

import (
	"context"
	"errors"
	"strings"
)

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

// BeginMigration begins to move a slot: from then on from asks its clients to look at to for keys that it does not have.
func (c *RedisCluster) BeginMigration(slot int, from, to *Redis) {
	c.t.Helper()
	ctx := context.Background()
	if err := errors.Join(
		to.admin.Do(ctx, "cluster", "setslot", slot, "importing", from.id).Err(),
		from.admin.Do(ctx, "cluster", "setslot", slot, "migrating", to.id).Err(),
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

// FinishMigration tells all masters that a slot belongs to to, after all of its keys were moved.
func (c *RedisCluster) FinishMigration(slot int, from, to *Redis) {
	c.t.Helper()
	c.finish(slot, from, to, c.Masters())
}

func (c *RedisCluster) finish(slot int, from, to *Redis, masters []*Redis) {
	c.t.Helper()
	order := []*Redis{to, from} // which becomes a replica if it was the last of its slots
	for _, n := range masters {
		if n != from && n != to {
			order = append(order, n)
		}
	}
	for _, n := range order {
		err := n.admin.Do(context.Background(), "cluster", "setslot", slot, "node", to.id).Err()
		if n == from && err != nil && strings.Contains(err.Error(), "SETSLOT only with masters") {
			continue // it has heard of it already, and became a replica
		}
		if err != nil {
			c.t.Fatalf("finish to move slot %d: %v", slot, err)
		}
	}
}

// MoveSlot moves a slot with all of its keys.
func (c *RedisCluster) MoveSlot(slot int, from, to *Redis) {
	c.t.Helper()
	c.MoveSlots(slot, slot, from, to)
}

// MoveSlots moves the slots first to last with all of their keys, one after the other. All masters must run, and stay
// masters. It takes a few milliseconds for each slot.
func (c *RedisCluster) MoveSlots(first, last int, from, to *Redis) {
	c.t.Helper()
	masters := c.Masters()
	for slot := first; slot <= last; slot++ {
		c.BeginMigration(slot, from, to)
		for c.MoveKeys(slot, 100, from, to) > 0 {
		}
		c.finish(slot, from, to, masters)
	}
}
