package redigo

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/gomodule/redigo/redis"
)

// link is a connection of ours to a server. redigo bounds the reading of a call and knows nothing of its deadline, so that
// one which also has to wait until it can write would end late.
type link struct {
	redis.ConnWithTimeout
	limits      limits
	readTimeout time.Duration
	retires     time.Time
}

func newLink(conn net.Conn, readTimeout, writeTimeout time.Duration) *link {
	l := &link{readTimeout: readTimeout, retires: time.Now().Add(connLifetime - rand.N(lifeJitter))}
	l.limits.Conn = conn
	l.ConnWithTimeout = redis.NewConn(&l.limits, readTimeout, writeTimeout).(redis.ConnWithTimeout) // as package redis says
	return l
}

// until bounds the next call by the deadline of its context.
func (l *link) until(ctx context.Context) { l.limits.end, _ = ctx.Deadline() }

// Do implements redis.Conn.
func (l *link) Do(command string, args ...any) (reply any, err error) {
	return l.DoWithTimeout(l.readTimeout, command, args...)
}

// DoWithTimeout implements redis.ConnWithTimeout.
func (l *link) DoWithTimeout(timeout time.Duration, command string, args ...any) (reply any, err error) {
	defer l.disbelieve(&err)
	return l.ConnWithTimeout.DoWithTimeout(timeout, command, args...)
}

// ReceiveWithTimeout implements redis.ConnWithTimeout.
func (l *link) ReceiveWithTimeout(timeout time.Duration) (reply any, err error) {
	defer l.disbelieve(&err)
	return l.ConnWithTimeout.ReceiveWithTimeout(timeout)
}

// disbelieve is deferred: redigo makes room for any length that is claimed by whoever is there, and panics if that cannot be.
func (l *link) disbelieve(err *error) {
	if recover() != nil {
		_ = l.Close()
		*err = errors.New("the answer claims to be larger than the memory")
	}
}

// limits is a network connection whose deadlines are no later than end, unless that is zero.
//
// redigo reads and writes 4 KiB at a time. With a batch of commands that would be several system calls, so what fills its buffer is kept
// until the rest comes, or an answer is waited for, and more is read than it asks for. That is for connections of a pool: on those of
// subscribers somebody writes while another one reads.
type limits struct {
	net.Conn
	end    time.Time
	pooled bool

	unsent      []byte
	read, ahead []byte // ahead is the part of read that redigo has not got yet
}

const (
	redigoBuffer = 4 << 10
	mostUnsent   = 64 << 10
	readAhead    = 16 << 10
)

// Write implements net.Conn.
func (l *limits) Write(p []byte) (int, error) {
	if !l.pooled {
		return l.Conn.Write(p)
	}
	if len(l.unsent)+len(p) > mostUnsent {
		if err := l.flush(); err != nil {
			return 0, err
		}
		return l.Conn.Write(p)
	}
	if len(l.unsent) == 0 && len(p) < redigoBuffer {
		return l.Conn.Write(p)
	}
	l.unsent = append(l.unsent, p...)
	if len(p) < redigoBuffer {
		return len(p), l.flush()
	}
	return len(p), nil
}

func (l *limits) flush() error {
	if len(l.unsent) == 0 {
		return nil
	}
	_, err := l.Conn.Write(l.unsent)
	if l.unsent = l.unsent[:0]; cap(l.unsent) > readAhead {
		l.unsent = nil
	}
	return err
}

// Read implements net.Conn.
func (l *limits) Read(p []byte) (n int, err error) {
	if !l.pooled {
		return l.Conn.Read(p)
	}
	if err := l.flush(); err != nil {
		return 0, err
	}
	if len(l.ahead) == 0 {
		if len(p) >= readAhead {
			return l.Conn.Read(p)
		}
		if l.read == nil {
			l.read = make([]byte, readAhead)
		}
		n, err = l.Conn.Read(l.read)
		if l.ahead = l.read[:n]; n == 0 {
			return 0, err
		}
	}
	n = copy(p, l.ahead) // an error that came with it comes again
	l.ahead = l.ahead[n:]
	return n, nil
}

// SetReadDeadline implements net.Conn.
func (l *limits) SetReadDeadline(t time.Time) error { return l.Conn.SetReadDeadline(l.limit(t)) }

// SetWriteDeadline implements net.Conn.
func (l *limits) SetWriteDeadline(t time.Time) error { return l.Conn.SetWriteDeadline(l.limit(t)) }

func (l *limits) limit(t time.Time) time.Time {
	if !l.end.IsZero() && (t.IsZero() || l.end.Before(t)) {
		return l.end
	}
	return t
}
