package redigo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// errFields says that a server has not answered what it was asked.
var errFields = errors.New("two fields were to be read, and it gave something else")

// request is what to do on one connection.
type request struct {
	asking bool  // tell a node of a cluster that it was named by an ASK
	args   []any // the command
	then   []any // one more, if not nil; the reply is then of this one
}

// router finds the server of a key and runs commands there.
type router interface {
	// do runs a request. Its reply is redigo's.
	do(ctx context.Context, key string, r request) (any, error)
	// listen returns a connection to subscribe with, which Close interrupts.
	listen(ctx context.Context) (redis.Conn, error)
}

// conn makes a redisstore.Conn of a router.
type conn struct{ router }

// Do implements redisstore.Conn.
func (c conn) Do(ctx context.Context, keyAt int, args ...any) (any, error) {
	return c.do(ctx, args[keyAt].(string), request{args: args}) // without a key its name stands for one
}

// DoAndWait implements redisstore.Waiter.
func (c conn) DoAndWait(ctx context.Context, replicas int, timeout time.Duration, keyAt int, args ...any) (int64, error) {
	wait := []any{"wait", replicas, timeout.Milliseconds()}
	return redis.Int64(c.do(ctx, args[keyAt].(string), request{args: args, then: wait}))
}

// Fields implements redisstore.Conn.
func (c conn) Fields(ctx context.Context, keyAt int, args ...any) (seen, data []byte, err error) {
	reply, err := c.do(ctx, args[keyAt].(string), request{args: args})
	if err != nil {
		return nil, nil, err
	}
	values, _ := reply.([]any)
	if len(values) != 2 {
		return nil, nil, errFields
	}
	seen, ok := values[0].([]byte)
	data, ok2 := values[1].([]byte)
	if !ok && values[0] != nil || !ok2 && values[1] != nil {
		return nil, nil, errFields
	}
	return seen, data, nil
}

// Listen implements redisstore.Conn. redigo gives a connection up when a read takes too long, so the test of a silent one
// is sent while the next message is waited for: to subscribe again, as PING would take one more permission.
func (c conn) Listen(ctx context.Context, channel string, up func(), message func(payload string)) error {
	own, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer own.Close()
	defer context.AfterFunc(ctx, func() { _ = own.Close() })() // nothing else interrupts a receiver
	sub := redis.PubSubConn{Conn: own}
	var sending sync.Mutex
	subscribe := func() { // an error of this one is one of the next receive
		sending.Lock()
		defer sending.Unlock()
		_ = sub.Subscribe(channel)
	}
	for subscribe(); ; {
		test := time.AfterFunc(redisstore.QuietTime, subscribe)
		got := sub.ReceiveWithTimeout(2 * redisstore.QuietTime)
		test.Stop()
		switch got := got.(type) {
		case redis.Subscription:
			up()
		case redis.Message:
			message(string(got.Data))
		case error:
			return translate(got)
		}
	}
}
