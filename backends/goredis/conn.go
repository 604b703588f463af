package goredis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/batch"
	"github.com/nonstick-go/nonstick/core/session"
)

// conn makes a redisstore.Conn of a client.
type conn struct {
	client    Client
	cluster   cluster                     // the client, if it is one for a cluster
	gate      *backoff.Gate               // nil for a client that is not ours
	pipelines *batch.Batches[redis.Cmder] // nil if there are none, or each node of a cluster has its own
}

// newConn makes a conn. Only a client for one server has pipelines here: those of others wait for all servers they have commands
// for. The nodes of a cluster have theirs from newNode.
func newConn(client Client, gate *backoff.Gate, pipelines int) conn {
	all, _ := client.(cluster)
	c := conn{client: client, cluster: all, gate: gate}
	if one, ok := client.(*redis.Client); ok {
		c.pipelines = batch.New(pipelines, func(ctx context.Context, cmd redis.Cmder) { _ = one.Process(ctx, cmd) },
			func(ctx context.Context, cmds []redis.Cmder) { together(ctx, one, cmds) })
	}
	return c
}

// together runs commands in one round trip.
func together(ctx context.Context, client *redis.Client, cmds []redis.Cmder) {
	// go-redis looks at the first answer only to find out that the server has become a replica, and drops the connection. That is
	// said of writes.
	if i := slices.IndexFunc(cmds, redis.Cmder.NoRetry); i > 0 {
		cmds[0], cmds[i] = cmds[i], cmds[0]
	}
	p := client.Pipeline()
	_ = p.BatchProcess(ctx, cmds...) // never fails
	_, err := p.Exec(ctx)
	if err != nil && !slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Err() != nil }) {
		for _, cmd := range cmds { // a hook has refused the batch
			cmd.SetErr(err)
		}
	}
}

// through is the conn with all that its client can.
func (c conn) through() redisstore.Conn {
	if c.cluster != nil {
		return shards{c}
	}
	return c
}

// cluster is what *redis.ClusterClient has beyond Client.
type cluster interface {
	ForEachMaster(ctx context.Context, call func(ctx context.Context, client *redis.Client) error) error
	MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	ReloadState(ctx context.Context)
}

// once is a command that go-redis does not repeat when the answer is lost, whatever the client's options say. The server
// may have run it: only the session.Manager, which then knows that it was repeated, draws the right conclusion when the
// repeated one is refused.
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

func (c conn) Do(ctx context.Context, keyAt int, args ...any) (any, error) {
	cmd := redis.NewCmd(ctx, args...)
	cmd.SetFirstKeyPos(int8(keyAt))
	cmd.SetStepCount(1) // else a client of a cluster asks for a list of all commands
	if err := c.process(ctx, once{cmd}); err != nil {
		return nil, err
	}
	reply, err := cmd.Result()
	return reply, c.failed(err)
}

// process runs a command. After an error it may be under way yet; all others are the command's. go-redis by itself would ask a
// cluster once a minute which nodes there are.
func (c conn) process(ctx context.Context, cmd redis.Cmder) error {
	switch {
	case c.pipelines != nil:
		return c.pipelines.Run(ctx, cmd, redisstore.SizeOf(cmd.Args()))
	case c.cluster == nil:
		_ = c.client.Process(ctx, cmd)
	default:
		call := func() error { return c.client.Process(ctx, cmd) }
		_ = redisstore.Retry(ctx, call, func() { c.cluster.ReloadState(ctx) })
	}
	return nil
}

// shards is a conn to a cluster.
type shards struct{ conn }

// Masters implements redisstore.Sharded.
func (s shards) Masters(ctx context.Context) (int, error) {
	var n atomic.Int32
	err := s.cluster.ForEachMaster(ctx, func(context.Context, *redis.Client) error { n.Add(1); return nil })
	return int(n.Load()), s.failed(err)
}

// MasterOf implements redisstore.Sharded.
func (s shards) MasterOf(ctx context.Context, key string) (string, error) {
	client, err := s.cluster.MasterForKey(ctx, key)
	if err != nil {
		return "", s.failed(err)
	}
	return client.Options().Addr, nil
}

// failed is err, or session.ErrClosed instead of that of go-redis.
func (c conn) failed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return session.ErrClosed
	}
	if c.gate != nil && err != nil {
		c.gate.Note(err)
	}
	return err
}

// Fields takes the answer as raw bytes, and the record is then a part of them: a parsed answer consists of strings, which
// would have to be copied. (r comes last, or the buffer of go-redis might grow once more behind it.) The price is that
// go-redis does not look at the answer. So whatever is not two fields is asked for again as a parsed command, for
// go-redis to understand: a redirection in a cluster, say, or an error.
func (c conn) Fields(ctx context.Context, keyAt int, args ...any) (seen, data []byte, err error) {
	raw := redis.NewRawCmd(ctx, args...)
	raw.SetFirstKeyPos(int8(keyAt))
	raw.SetStepCount(1)
	if err := c.process(ctx, raw); err != nil {
		return nil, nil, err
	}
	reply, err := raw.Result()
	if err != nil {
		return nil, nil, c.failed(err)
	}
	if seen, data, ok := parseFields(reply); ok {
		return seen, data, nil
	}
	parsed := redis.NewStringSliceCmd(ctx, args...)
	parsed.SetFirstKeyPos(int8(keyAt))
	parsed.SetStepCount(1)
	if err := c.process(ctx, parsed); err != nil {
		return nil, nil, err
	}
	values, err := parsed.Result()
	if err != nil {
		return nil, nil, c.failed(err)
	}
	if len(values) != 2 {
		return nil, nil, fmt.Errorf("two fields were to be read, and it gave %d", len(values))
	}
	return orNil(values[0]), orNil(values[1]), nil
}

// orNil returns the bytes of a field; go-redis returns one that is absent as the empty string, which no record is.
func orNil(value string) []byte {
	if value == "" {
		return nil
	}
	return []byte(value)
}

// parseFields takes an array of two strings or nulls of the Redis protocol (RESP2 or RESP3) apart, without copying them.
func parseFields(reply []byte) (first, second []byte, ok bool) {
	rest, ok := bytes.CutPrefix(reply, []byte("*2\r\n"))
	if !ok {
		return nil, nil, false
	}
	first, rest, ok = parseString(rest)
	if !ok {
		return nil, nil, false
	}
	second, rest, ok = parseString(rest)
	return first, second, ok && len(rest) == 0
}

func parseString(reply []byte) (value, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(reply, []byte("\r\n"))
	switch {
	case !ok:
		return nil, nil, false
	case string(line) == "_" || string(line) == "$-1":
		return nil, rest, true
	case len(line) < 2 || line[0] != '$':
		return nil, nil, false
	}
	n, err := strconv.ParseUint(string(line[1:]), 10, 31)
	if err != nil || uint64(len(rest)) < n+2 || rest[n] != '\r' || rest[n+1] != '\n' {
		return nil, nil, false
	}
	return rest[:n:n], rest[n+2:], true
}

// Listen implements redisstore.Conn for clients that can subscribe, as *redis.Client, *redis.ClusterClient and
// redis.UniversalClient can.
func (c conn) Listen(ctx context.Context, channel string, up func(), message func(payload string)) error {
	client, ok := c.client.(interface {
		Subscribe(ctx context.Context, channels ...string) *redis.PubSub
	})
	if !ok {
		return errors.ErrUnsupported
	}
	sub := client.Subscribe(ctx, channel)
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // nothing else interrupts a receiver
	defer sub.Close()
	for tested := false; ; {
		got, err := sub.ReceiveTimeout(ctx, redisstore.QuietTime)
		switch timeout, ok := errors.AsType[net.Error](err); {
		case ok && timeout.Timeout() && !tested: // PING would take one more permission than to subscribe again
			tested = true
			if err := sub.Subscribe(ctx, channel); err != nil {
				return c.failed(err)
			}
			continue
		case err != nil:
			return c.failed(err)
		}
		tested = false
		switch got := got.(type) {
		case *redis.Subscription:
			up()
		case *redis.Message:
			message(got.Payload)
		}
	}
}
