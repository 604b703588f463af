package goredis

import (
	"strconv"
	"time"
)

// deadline is the moment when Redis must forget a key, in milliseconds since 1970. As the argument of a command it is the
// time that is left until then, in milliseconds: a span rather than a moment, so that the clock of Redis need not agree
// with ours. go-redis asks for it when it sends the command, after it has waited for a connection.
type deadline int64

func (d deadline) left() time.Duration { return time.Until(time.UnixMilli(int64(d))) }

// MarshalBinary implements encoding.BinaryMarshaler.
func (d deadline) MarshalBinary() ([]byte, error) {
	return strconv.AppendInt(nil, max(d.left().Milliseconds()+1, 1), 10), nil // rounded up, at least 1
}
