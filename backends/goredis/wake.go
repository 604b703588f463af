package goredis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/redis/go-redis/v9"
)

const (
	channelInfix = "wake:" // of the names of channels, between the prefix and what is random
	polling      = "-"     // the channel of waiters that hear nothing

	quietTime = 3 * time.Second // without a message, until the connection is tested, and then until it is given up
	minPause  = 100 * time.Millisecond
	maxPause  = 3 * time.Second // before the next attempt, after several that failed: the user may lack the permission
)

// subscriber is a client that can subscribe. *redis.Client, *redis.ClusterClient and redis.UniversalClient are.
type subscriber interface {
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// wakes is the one subscription of a Store, by which it learns that waiters have got their locks.
type wakes struct {
	client subscriber // nil if the client cannot subscribe
	prefix string     // of the channel's name
	name   string     // the rest of it

	mu      sync.Mutex
	up      bool // Redis has confirmed the subscription
	waiting map[session.LockToken]waiter
	stopped bool
	cancel  context.CancelFunc // of the goroutine that listens; nil until it is needed
	done    chan struct{}      // closed when it has ended
}

// waiter is a call of Acquire that has taken a place in a queue.
type waiter struct {
	wake chan session.Lock
	// When it asked, by the clock here, and when it was answered, by the server's; zero until then. So what the server
	// said to be at a time was so no earlier than that time is after answered, counted from asked.
	asked    time.Time
	answered int64
}

func newWakes(client Client, prefix string) *wakes {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	w := &wakes{prefix: prefix + channelInfix, name: hex.EncodeToString(b[:]), waiting: make(map[session.LockToken]waiter)}
	w.client, _ = client.(subscriber)
	return w
}

// listen returns the channel in Redis by which a waiter is called, and the one here. There is none unless the subscription
// is up: a publisher takes who does not listen for dead.
func (w *wakes) listen(token session.LockToken) (channel string, wake <-chan session.Lock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up {
		return polling, nil
	}
	own, ok := w.waiting[token]
	if !ok {
		own.wake = make(chan session.Lock, 1)
		w.waiting[token] = own
	}
	return w.name, own.wake
}

// expect notes that a waiter asked at a time, and was answered at another one of the server's clock.
func (w *wakes) expect(token session.LockToken, asked time.Time, answered any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own, ok := w.waiting[token]; ok {
		own.asked = asked
		own.answered, _ = answered.(int64)
		w.waiting[token] = own
	}
}

func (w *wakes) forget(token session.LockToken) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, token)
}

// call wakes the waiter that a message names.
func (w *wakes) call(message string) {
	name, rest, _ := strings.Cut(message, " ")
	var token session.LockToken
	if len(name) != hex.EncodedLen(len(token)) {
		return
	}
	if _, err := hex.Decode(token[:], []byte(name)); err != nil {
		return
	}
	w.mu.Lock()
	own := w.waiting[token]
	w.mu.Unlock()
	select {
	case own.wake <- own.handed(rest):
	default: // nobody, or called already
	}
}

// handed makes the lock of the rest of a message. It is not held if the waiter has to ask.
func (own waiter) handed(message string) session.Lock {
	fields := strings.SplitN(message, " ", 4) // time, lease, t, r
	if len(fields) != 4 || own.answered == 0 {
		return session.Lock{}
	}
	at, err := strconv.ParseInt(fields[0], 10, 64)
	lease, err2 := strconv.ParseInt(fields[1], 10, 64)
	rec, err3 := decode([]byte(strings.TrimPrefix(fields[2], "-")), []byte(fields[3]))
	if err != nil || err2 != nil || err3 != nil {
		return session.Lock{}
	}
	ends := own.asked.Add(time.Duration(at-own.answered+lease) * time.Millisecond)
	if latest := time.Now().Add(time.Duration(lease) * time.Millisecond); ends.After(latest) { // the server's clock was set
		ends = latest
	}
	return session.Lock{Held: true, Record: rec, Expires: ends}
}

// start subscribes when the first waiter shows up: a process that never waits costs Redis no connection.
func (w *wakes) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client != nil && w.cancel == nil && !w.stopped {
		var ctx context.Context
		ctx, w.cancel = context.WithCancel(context.Background())
		w.done = make(chan struct{})
		go w.run(ctx)
	}
}

// stop ends the subscription, and awaits it.
func (w *wakes) stop() {
	w.mu.Lock()
	w.stopped = true
	cancel, done := w.cancel, w.done
	w.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// run keeps the subscription up until ctx ends, or the client is closed.
func (w *wakes) run(ctx context.Context) {
	defer close(w.done)
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		was, err := w.subscribe(ctx)
		if errors.Is(err, redis.ErrClosed) {
			return
		}
		if was {
			pause = minPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// subscribe listens until the connection breaks, and tells whether the subscription was up.
func (w *wakes) subscribe(ctx context.Context) (was bool, err error) {
	sub := w.client.Subscribe(ctx, w.prefix+w.name)
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // nothing else interrupts a receiver
	err = w.receive(ctx, sub)
	_ = sub.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	was, w.up = w.up, false
	return was, err
}

// receive passes messages on until the connection breaks. One that is silent is tested: a server that is gone without a
// word would else be listened to for ever. The test is to subscribe again, since PING would take one more permission.
func (w *wakes) receive(ctx context.Context, sub *redis.PubSub) error {
	for tested := false; ; {
		message, err := sub.ReceiveTimeout(ctx, quietTime)
		switch timeout, ok := errors.AsType[net.Error](err); {
		case ok && timeout.Timeout() && !tested:
			tested = true
			if err := sub.Subscribe(ctx, w.prefix+w.name); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		tested = false
		switch m := message.(type) {
		case *redis.Subscription:
			w.mu.Lock()
			w.up = true
			w.mu.Unlock()
		case *redis.Message:
			w.call(m.Payload)
		}
	}
}
