package redisstore

import (
	"context"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// For tests of what takes untrusted input apart, without a server.
var (
	HolderOf = holderOf
)

// EncodeHolder is a holder as the scripts keep it.
func EncodeHolder(h session.Holder) string { return string(encodeHolder(h)) }

// Handed is the lock of a message to a waiter.
func Handed(asked time.Time, answered int64, message string) session.Lock {
	return waiter{asked: asked, answered: answered}.handed(message)
}

// Remembered is how many waiters are known after one has asked, was answered, and was called by a message.
func Remembered(token session.LockToken, message string) int {
	w := newWakes(nil, "")
	w.setUp(true)
	w.listen(token)
	w.expect(token, time.Now(), int64(1_780_000_000_000))
	w.call(string(*hexToken(token)) + message)
	return len(w.waiting)
}

// Early is a context with an earlier deadline.
func Early(ctx context.Context, end time.Time) (e context.Context, release func()) {
	own := &early{Context: ctx, end: end}
	return own, own.release
}
