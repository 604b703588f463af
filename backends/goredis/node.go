package goredis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// newNode makes the client of a node of a cluster.
func newNode(o *redis.Options) *redis.Client {
	c := redis.NewClient(o)
	c.AddHook(outcast{})
	return c
}

// outcast makes a node that was taken out of the cluster, but goes on running, say so with an error. What it answers else
// is that nobody has any slots, which go-redis believes rather than to ask another node.
type outcast struct{}

// DialHook implements redis.Hook.
func (outcast) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (outcast) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if slots, ok := cmd.(*redis.ClusterSlotsCmd); ok && err == nil && len(slots.Val()) == 0 {
			err = errors.New("the node has no cluster")
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (outcast) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
