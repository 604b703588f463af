package goredis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/batch"
)

// newNode makes the client of a node of a cluster.
func newNode(o *redis.Options, pipelines int) *redis.Client {
	c := redis.NewClient(o)
	c.AddHook(outcast{})
	if b := batch.New(pipelines, alone, func(ctx context.Context, calls []*call) { inBatch(ctx, c, calls) }); b != nil {
		c.AddHook(sharing{b})
	}
	return c
}

// sharing makes commands of Stores share round trips to a node. It is a hook of the node's client, below that of the cluster,
// which so finds the node, follows redirections and looks around for each command by itself, and forgets nodes together with
// what they have under way.
type sharing struct{ *batch.Batches[*call] }

// call is a command on its way to a node.
type call struct {
	cmd  redis.Cmder
	next redis.ProcessHook
	twin redis.Cmder // ran in a batch in its stead; nil if it ran by itself
	err  error
}

func alone(ctx context.Context, c *call) { c.err = c.next(ctx, c.cmd) }

// inBatch runs twins of the commands: a batch may be under way yet when somebody has left it, and the client of the cluster
// then notes in the command why.
func inBatch(ctx context.Context, client *redis.Client, calls []*call) {
	twins := make([]redis.Cmder, len(calls))
	for i, c := range calls {
		if _, ok := c.cmd.(once); ok {
			c.twin = once{redis.NewCmd(ctx, c.cmd.Args()...)}
		} else {
			c.twin = redis.NewRawCmd(ctx, c.cmd.Args()...)
		}
		twins[i] = c.twin
	}
	together(ctx, client, twins)
	for _, c := range calls {
		c.err = c.twin.Err()
	}
}

// DialHook implements redis.Hook.
func (sharing) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook. Whatever else go-redis asks a node, to log in for one, goes by itself.
func (s sharing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch cmd.(type) {
		case once, *redis.RawCmd:
		default:
			return next(ctx, cmd)
		}
		c := &call{cmd: cmd, next: next}
		if err := s.Run(ctx, c, redisstore.SizeOf(cmd.Args())); err != nil {
			return err
		}
		switch twin := c.twin.(type) {
		case once:
			cmd.(once).SetVal(twin.Val())
		case *redis.RawCmd:
			cmd.(*redis.RawCmd).SetVal(twin.Val())
		}
		return c.err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (sharing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
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
