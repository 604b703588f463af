package redisstore

import (
	"strconv"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Deadline is the moment when Redis must forget a key, in milliseconds since 1970. As the argument of a command it is the
// time that is left until then, in milliseconds: a span rather than a moment, so that the clock of Redis need not agree
// with ours. Clients ask for it when they send the command, after they have waited for a connection.
type Deadline int64

func (d Deadline) left() time.Duration { return time.Until(time.UnixMilli(int64(d))) }

// millis is rounded up, and at least 1.
func (d Deadline) millis() int64 { return max(d.left().Milliseconds()+1, 1) }

// MarshalBinary implements encoding.BinaryMarshaler, for go-redis.
func (d Deadline) MarshalBinary() ([]byte, error) { return strconv.AppendInt(nil, d.millis(), 10), nil }

// RedisArg implements the Argument of redigo.
func (d Deadline) RedisArg() any { return d.millis() }

// writeArgs are the arguments of a write in one piece of memory. As pointers into it they need none of their own.
type writeArgs struct {
	data     bytesArg
	replaces bytesArg
	end      endArg
	version  session.Version // that replaces is
}

func newWriteArgs(data []byte, end Deadline, prev session.Version) *writeArgs {
	a := &writeArgs{data: data, end: endArg{Deadline: end}, version: prev}
	if !prev.IsZero() {
		a.replaces = a.version[:]
	}
	return a
}

// bytesArg is a byte slice as an argument by its address.
type bytesArg []byte

// MarshalBinary implements encoding.BinaryMarshaler, for go-redis.
func (b *bytesArg) MarshalBinary() ([]byte, error) { return *b, nil }

// RedisArg implements the Argument of redigo.
func (b *bytesArg) RedisArg() any { return []byte(*b) }

// SizeOf is how many bytes the arguments of a command have that may be many: those of a record.
func SizeOf(args []any) (n int) {
	for _, arg := range args {
		if data, ok := arg.(*bytesArg); ok {
			n += len(*data)
		}
	}
	return n
}

// endArg is a Deadline by its address, with room for its text.
type endArg struct {
	Deadline
	text [20]byte
}

// MarshalBinary implements encoding.BinaryMarshaler, for go-redis.
func (e *endArg) MarshalBinary() ([]byte, error) {
	return strconv.AppendInt(e.text[:0], e.millis(), 10), nil
}
