package redigo

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/batch"
	"github.com/nonstick-go/nonstick/core/session"
)

// errPool says that no connection became free.
var errPool = errors.New("all connections of the pool are in use")

// server is one server, or what looks like one, and the connections to it.
type server struct {
	addr        string
	pool        Pool
	closePool   func() error
	dial        func(ctx context.Context) (redis.Conn, error) // nil for a pool that does not tell
	readTimeout time.Duration                                 // of a call without a deadline, and the most of one with it
	poolTimeout time.Duration

	// places has one for each connection of a pool of ours. redigo's own limit would make a timer for each call, or none.
	places chan struct{}
	// broken is when a connection was found to be of no use, in nanoseconds since 1970. Those that were idle at that time
	// are probably as dead, after a restart of the server say, and are not tried one by one.
	broken atomic.Int64
	closed atomic.Bool

	pipelines *batch.Batches[*job] // nil if there are none
	jobs      sync.Pool
}

// job is a request in a pipeline, and what became of it.
type job struct {
	request
	reply any
	err   error
}

// share makes requests that come at once share connections.
func (s *server) share(pipelines int) {
	s.pipelines = batch.New(pipelines, func(ctx context.Context, j *job) { j.reply, j.err = s.alone(ctx, j.request) }, s.together)
}

// do implements router.
func (s *server) do(ctx context.Context, _ string, r request) (any, error) { return s.call(ctx, r) }

func (s *server) call(ctx context.Context, r request) (any, error) {
	if s.pipelines == nil || r.asking || r.then != nil {
		return s.alone(ctx, r)
	}
	j, _ := s.jobs.Get().(*job)
	if j == nil {
		j = new(job)
	}
	j.request = r
	if err := s.pipelines.Run(ctx, j, redisstore.SizeOf(r.args)); err != nil {
		return nil, err // and somebody may use j yet
	}
	reply, err := j.reply, j.err
	*j = job{}
	s.jobs.Put(j)
	return reply, err
}

// together runs requests on one connection. The answers come in their order.
func (s *server) together(ctx context.Context, jobs []*job) {
	c, err := s.get(ctx)
	if err != nil {
		for _, j := range jobs {
			j.err = err
		}
		return
	}
	err = sendAll(c, jobs)
	for _, j := range jobs {
		if err != nil {
			j.err = err
			continue
		}
		j.reply, j.err = s.receive(ctx, c)
		if _, refused := errors.AsType[redis.Error](j.err); !refused {
			err = j.err // whatever comes yet is not known to be the next one's
		}
	}
	s.put(c)
	for _, j := range jobs {
		if j.err != nil {
			j.err = s.failed(j.err)
		}
	}
}

func sendAll(c redis.Conn, jobs []*job) error {
	for _, j := range jobs {
		if err := c.Send(j.args[0].(string), j.args[1:]...); err != nil {
			return err
		}
	}
	return c.Flush()
}

// receive waits for the next answer. If it is too late, the connection is broken afterwards, since others come yet.
func (s *server) receive(ctx context.Context, c redis.Conn) (any, error) {
	timeout, err := s.timeout(ctx)
	if err != nil {
		timeout = 1 // zero would be for ever
	}
	return redis.ReceiveWithTimeout(c, timeout)
}

// alone runs a request on a connection of its own.
func (s *server) alone(ctx context.Context, r request) (any, error) {
	c, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := s.run(ctx, c, r)
	s.put(c)
	if err != nil { // after put: c may be one of those to drop
		return nil, s.failed(err)
	}
	return reply, nil
}

func (s *server) run(ctx context.Context, c redis.Conn, r request) (any, error) {
	timeout, err := s.timeout(ctx)
	if err != nil {
		return nil, err
	}
	if r.asking {
		if err := c.Send("ASKING"); err != nil {
			return nil, err
		}
	}
	last := r.args
	if r.then != nil {
		if err := c.Send(r.args[0].(string), r.args[1:]...); err != nil {
			return nil, err
		}
		last = r.then
	}
	return redis.DoWithTimeout(c, timeout, last[0].(string), last[1:]...)
}

// timeout is for how long to wait for an answer.
func (s *server) timeout(ctx context.Context) (time.Duration, error) {
	end, ok := ctx.Deadline()
	if !ok {
		return s.readTimeout, nil
	}
	left := time.Until(end)
	switch {
	case left <= 0:
		return 0, context.DeadlineExceeded
	case s.places == nil:
		return left, nil
	}
	return min(s.readTimeout, left), nil
}

// failed notes that the connections that are idle are of no use, if err says so.
func (s *server) failed(err error) error {
	if err = translate(err); isBroken(err) {
		s.broken.Store(time.Now().UnixNano())
	}
	return err
}

func isBroken(err error) bool {
	if refused, ok := errors.AsType[redisstore.ServerError](err); ok { // it is a replica now, and its name may lead to another one
		return strings.HasPrefix(string(refused), "READONLY")
	}
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}

// get returns a connection.
func (s *server) get(ctx context.Context) (redis.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, session.ErrClosed
	}
	if _, ok := ctx.Deadline(); !ok && s.places == nil { // a pool that waits would do so for ever
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.readTimeout)
		defer cancel()
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	c, err := s.pool.GetContext(ctx)
	if err != nil {
		s.leave()
		return nil, translate(err)
	}
	return c, nil
}

// enter waits for a place, for no longer than the pool's timeout.
func (s *server) enter(ctx context.Context) error {
	if s.places == nil {
		return nil
	}
	select {
	case s.places <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(s.poolTimeout)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		return nil
	case <-timer.C:
		return errPool
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) leave() {
	if s.places != nil {
		<-s.places
	}
}

func (s *server) put(c redis.Conn) {
	_ = c.Close() // back into the pool, unless it is broken
	s.leave()
}

// test finds out whether an idle connection is good for a call. Most were used a moment ago, and are taken to work. Those
// that were not are asked for a session that does not exist: that takes no permission that is not needed anyway.
func (s *server) test(ctx context.Context, l *link, used time.Time, prefix string) error {
	l.until(ctx)
	switch now := time.Now(); {
	case used.UnixNano() <= s.broken.Load():
		return errors.New("another one was found dead since")
	case now.After(l.retires):
		return errors.New("it is too old")
	case now.Sub(used) < idleTest:
		return nil
	}
	_, err := redis.DoWithTimeout(l, s.readTimeout, "HMGET", prefix+"test", "t", "r")
	if _, refused := errors.AsType[redis.Error](err); err == nil || refused { // such as MOVED: the server is there
		return nil
	}
	s.broken.Store(time.Now().UnixNano()) // to test all the others, one by one, would take more time than a call has
	return err
}

// listen implements router.
func (s *server) listen(ctx context.Context) (redis.Conn, error) {
	switch {
	case s.dial == nil:
		return nil, errors.ErrUnsupported
	case s.closed.Load():
		return nil, session.ErrClosed
	}
	return s.dial(ctx)
}

func (s *server) close() error {
	s.closed.Store(true)
	return s.closePool()
}
