package redisstore

import (
	"strconv"
	"time"
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
