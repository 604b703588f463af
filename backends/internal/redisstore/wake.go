package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	channelInfix = "wake:" // of the names of channels, between the prefix and what is random
	polling      = "-"     // the channel of waiters that hear nothing

	minPause = 100 * time.Millisecond
	maxPause = 3 * time.Second // before the next attempt, after several that failed: the user may lack the permission

	// QuietTime is for how long a subscription may be silent until its connection is tested, and then until it is given up.
	QuietTime = 3 * time.Second
)

// wakes is the one subscription of a Store, by which it learns that waiters have got their locks.
type wakes struct {
	conn   Conn
	prefix string // of the channel's name
	name   string // the rest of it

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

func newWakes(conn Conn, prefix string) *wakes {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return &wakes{conn: conn, prefix: prefix + channelInfix, name: hex.EncodeToString(b[:]), waiting: make(map[session.LockToken]waiter)}
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
	delete(w.waiting, token) // who was handed the lock does not come back, and who asks again is noted again
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
	if w.cancel == nil && !w.stopped {
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
		err := w.conn.Listen(ctx, w.prefix+w.name, func() { w.setUp(true) }, w.call)
		if errors.Is(err, session.ErrClosed) || errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if w.setUp(false) {
			pause = minPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// setUp notes whether Redis has confirmed the subscription, and returns whether it had.
func (w *wakes) setUp(up bool) (was bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, w.up = w.up, up
	return was
}
