package redigo

import (
	"net"
	"time"

	"github.com/gomodule/redigo/redis"
)

// NewLink returns a connection of a pool of ours.
func NewLink(conn net.Conn) redis.Conn {
	l := newLink(conn, time.Second, time.Second)
	l.limits.pooled = true
	return l
}

// NewLimits returns what is below it.
func NewLimits(conn net.Conn) net.Conn { return &limits{Conn: conn, pooled: true} }
