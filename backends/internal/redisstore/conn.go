package redisstore

import (
	"context"
	"time"
)

// Conn is what a Store needs of a client library: one server, or several that look like one. It is safe for concurrent
// use, and every call returns soon after the deadline of its context.
//
// No call is repeated that the server may have run already, except to follow a redirection of a cluster: callers know
// better whether that is worth it. What the server answers with an error is an error with a method RedisError, such as a
// ServerError. After the client was closed, every call is session.ErrClosed.
type Conn interface {
	// Fields runs a command that reads the fields t and r of a hash, as Do takes it. One that is absent is nil. The slices are
	// the caller's.
	Fields(ctx context.Context, keyAt int, args ...any) (seen, data []byte, err error)

	// Do runs a command. args[keyAt] is its one key; a keyAt of 0 means that it has none, and any server will do. Among the
	// arguments are strings, byte slices, numbers, and what is both an encoding.BinaryMarshaler and an Argument of redigo, such
	// as a Deadline; the answer is an int64, a string or a byte slice that is the caller's, a slice of such answers, or nil.
	Do(ctx context.Context, keyAt int, args ...any) (any, error)

	// Listen subscribes to a channel, calls up each time when the server has confirmed it, and message for each message,
	// until the connection breaks, ctx ends, or the client is closed. It gives a connection up that is silent for longer
	// than QuietTime and then does not answer a test. A client that cannot subscribe is errors.ErrUnsupported.
	Listen(ctx context.Context, channel string, up func(), message func(payload string)) error
}

// dataOf is a part of an answer as bytes: nil if it is neither a string nor a byte slice.
func dataOf(part any) []byte {
	switch part := part.(type) {
	case []byte:
		return part
	case string:
		return []byte(part)
	}
	return nil
}

// textOf is a part of an answer as a text.
func textOf(part any) string {
	if text, ok := part.(string); ok {
		return text
	}
	return string(dataOf(part))
}

// Sharded is a Conn to several masters, each of which has some of the keys.
type Sharded interface {
	Conn

	// Masters returns how many there are.
	Masters(ctx context.Context) (int, error)
	// MasterOf returns a name for the one that has a key.
	MasterOf(ctx context.Context, key string) (string, error)
}

// Waiter is a Conn that can find out how many replicas have what was written.
type Waiter interface {
	Conn

	// DoAndWait runs a command as Do does, and then WAIT, on the same connection: that counts the replicas which have what
	// the connection has written. It waits for so many of them, and no longer than timeout.
	DoAndWait(ctx context.Context, replicas int, timeout time.Duration, keyAt int, args ...any) (acknowledged int64, err error)
}

// ServerError is what a server answers with an error, for clients whose own type has no method RedisError.
type ServerError string

// Error returns the whole text. It may quote what was sent.
func (e ServerError) Error() string { return string(e) }

// RedisError tells it from errors of the connection.
func (ServerError) RedisError() {}

// serverError is what all clients' errors of the server have in common.
type serverError interface {
	error
	RedisError()
}
