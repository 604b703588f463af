package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is one keep-alive connection. It costs a tenth of net/http's client, so that what is measured is the server.
type client struct {
	addr   string
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	cookie string // from the last response that had one
	given  int    // how many had one
	body   []byte
}

// refusedError is an answer other than 200.
type refusedError string

func (e refusedError) Error() string { return "refused: " + string(e) }

func newClient(addr string) *client { return &client{addr: addr} }

// do sends a request, and returns the number in the answer.
func (c *client) do(path, cookie string) (int, error) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, 5*time.Second)
		if err != nil {
			return 0, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	c.out = append(append(append(c.out[:0], "GET "...), path...), " HTTP/1.1\r\nHost: bench\r\n"...)
	if cookie != "" {
		c.out = append(append(append(c.out, "Cookie: "...), cookie...), "\r\n"...)
	}
	c.out = append(c.out, "\r\n"...)
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	return c.answer(path)
}

// insist asks again if it is refused, since a machine that is overloaded lets timeouts pass.
func (c *client) insist(path, cookie string) (n int, err error) {
	for wait := time.Millisecond; wait < 5*time.Second; wait *= 2 {
		n, err = c.do(path, cookie)
		if _, refused := errors.AsType[refusedError](err); !refused {
			return n, err
		}
		time.Sleep(wait)
	}
	return n, err
}

func (c *client) answer(path string) (int, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	ok, length := string(line[9:12]) == "200", -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, _ = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Set-Cookie")):
			value, _, _ = bytes.Cut(value, []byte(";"))
			c.cookie = string(value)
			c.given++
		}
	}
	if length < 0 || length > 1<<16 {
		return 0, fmt.Errorf("%s: no length", path)
	}
	c.body = append(c.body[:0], make([]byte, length)...)
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("%s: %w", path, refusedError(c.body))
	}
	return strconv.Atoi(string(c.body))
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
