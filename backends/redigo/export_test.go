package redigo

import (
	"net"
	"time"

	"github.com/gomodule/redigo/redis"
)

// NewLink returns a connection of a pool of ours.
func NewLink(conn net.Conn) redis.Conn { return newLink(conn, time.Second, time.Second) }

// NewLimits returns what is below it.
func NewLimits(conn net.Conn) net.Conn { return &limits{Conn: conn} }
