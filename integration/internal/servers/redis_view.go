package servers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// askTime is how long a node may take to answer a question of these functions. One that is stopped never does.
const askTime = time.Second

// view is how a node of a cluster sees itself.
type view struct {
	master string   // of which it is a replica
	slots  [][2]int // which it serves as a master, first and last of each range
}

// view asks the node. It is nil if there is no answer.
func (r *Redis) view() *view {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	if !r.Alive() {
		return nil
	}
	nodes, err := r.admin.ClusterNodes(ctx).Result()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(nodes) {
		fields := strings.Fields(line) // id, address, flags, master, ping, pong, epoch, link, slots...
		if len(fields) < 8 || !strings.Contains(fields[2], "myself") {
			continue
		}
		if !strings.Contains(fields[2], "master") {
			return &view{master: fields[3]}
		}
		v := &view{}
		for _, text := range fields[8:] {
			var first, last int
			switch n, _ := fmt.Sscanf(text, "%d-%d", &first, &last); n { // none if the slot is about to move
			case 1:
				v.slots = append(v.slots, [2]int{first, first})
			case 2:
				v.slots = append(v.slots, [2]int{first, last})
			}
		}
		return v
	}
	return nil
}

// Masters are the nodes that answer and serve slots, in the order of Nodes. One that was replaced while it was away takes
// itself for a master until it has heard of that: see Await.
func (c *RedisCluster) Masters() []*Redis {
	return c.filter(func(v *view) bool { return len(v.slots) > 0 })
}

// Owner is the master that serves a slot, or nil while there is none that answers.
func (c *RedisCluster) Owner(slot int) *Redis {
	owners := c.filter(func(v *view) bool {
		return slices.ContainsFunc(v.slots, func(r [2]int) bool { return r[0] <= slot && slot <= r[1] })
	})
	if len(owners) == 0 {
		return nil
	}
	return owners[0]
}

// ReplicasOf are the replicas of a master, which may be gone, that answer.
func (c *RedisCluster) ReplicasOf(master *Redis) []*Redis {
	return c.filter(func(v *view) bool { return v.master == master.id })
}

func (c *RedisCluster) filter(want func(*view) bool) []*Redis {
	var found []*Redis
	for _, n := range c.nodes {
		if v := n.view(); v != nil && want(v) {
			found = append(found, n)
		}
	}
	return found
}
