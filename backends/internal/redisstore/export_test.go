package redisstore

import (
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// For tests of what takes untrusted input apart, without a server.
var (
	EncodeHolder = encodeHolder
	HolderOf     = holderOf
)

// Handed is the lock of a message to a waiter.
func Handed(asked time.Time, answered int64, message string) session.Lock {
	return waiter{asked: asked, answered: answered}.handed(message)
}
