package goredis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"sync"
	"time"

	"errors"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/redis/go-redis/v9"
)

const (
	channelInfix = "wake:" // of the names of channels, between the prefix and what is random
	polling      = "-"     // the channel of waiters that hear nothing

	quietTime = 3 * time.Second // without a message, until the connection is tested, and then until it is given up
	pauseTime = 100 * time.Millisecond
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
	waiting map[session.LockToken]chan struct{}
	sub     *redis.PubSub
	stopped bool
	done    chan struct{} // of the goroutine that listens; nil until it is needed
}

func newWakes(client Client, prefix string) *wakes {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	w := &wakes{prefix: prefix + channelInfix, name: hex.EncodeToString(b[:]), waiting: make(map[session.LockToken]chan struct{})}
	w.client, _ = client.(subscriber)
	return w
}

// listen returns the channel in Redis by which a waiter is called, and the one here. There is none unless the subscription
// is up: a publisher takes who does not listen for dead.
func (w *wakes) listen(token session.LockToken) (channel string, wake <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up {
		return polling, nil
	}
	c := w.waiting[token]
	if c == nil {
		c = make(chan struct{}, 1)
		w.waiting[token] = c
	}
	return w.name, c
}

func (w *wakes) forget(token session.LockToken) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, token)
}

// call wakes the waiter that a message names.
func (w *wakes) call(message string) {
	var token session.LockToken
	if n, err := hex.Decode(token[:], []byte(message[:min(len(message), 2*len(token))])); err != nil || n != len(token) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.waiting[token] <- struct{}{}:
	default: // nobody, or called already
	}
}

// start subscribes when the first waiter shows up: a process that never waits costs Redis no connection.
func (w *wakes) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client != nil && w.done == nil && !w.stopped {
		w.done = make(chan struct{})
		go w.run()
	}
}

// stop ends the subscription, and awaits it.
func (w *wakes) stop() {
	w.mu.Lock()
	w.stopped = true
	done := w.done
	if w.sub != nil {
		_ = w.sub.Close()
	}
	w.mu.Unlock()
	if done != nil {
		<-done
	}
}

// run keeps the subscription up until stop.
func (w *wakes) run() {
	defer close(w.done)
	for {
		sub := w.client.Subscribe(context.Background(), w.prefix+w.name)
		w.mu.Lock()
		w.sub = sub
		stopped := w.stopped
		w.mu.Unlock()
		if !stopped {
			w.receive(sub)
		}
		w.mu.Lock()
		w.up = false
		stopped = w.stopped
		w.mu.Unlock()
		_ = sub.Close()
		if stopped {
			return
		}
		time.Sleep(pauseTime)
	}
}

// receive passes messages on until the connection breaks. One that is silent is tested: a server that is gone without a
// word would else be listened to for ever.
func (w *wakes) receive(sub *redis.PubSub) {
	ctx := context.Background()
	for tested := false; ; {
		message, err := sub.ReceiveTimeout(ctx, quietTime)
		switch timeout, ok := errors.AsType[net.Error](err); {
		case ok && timeout.Timeout() && !tested:
			tested = true
			if sub.Ping(ctx) == nil {
				continue
			}
			return
		case err != nil:
			return
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
