package redis_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Servers, proxies and strangers on the port may say whatever they like, and quote what they were sent. Nothing of that
// may reach an error.
func testHostileReplies(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(args []string) string{
		"unknown command": func(args []string) string {
			return fmt.Sprintf("-ERR unknown command '%s', with args beginning with: '%s' \r\n", args[0], strings.Join(args[1:], "' '"))
		},
		"proxy":         func(args []string) string { return fmt.Sprintf("-ERR refused: %q\r\n", args) },
		"quoting proxy": func(args []string) string { return "-NOPERM " + strings.Join(args, " ") + "\r\n" },
		"echo":          func(args []string) string { return strings.Join(args, " ") + "\r\n" },
		"HTTP": func(args []string) string {
			return "HTTP/1.1 400 Bad Request\r\nX: " + strings.Join(args, " ") + "\r\n\r\n"
		},
		"number":  func([]string) string { return ":42\r\n" },
		"strings": func(args []string) string { return fmt.Sprintf("*1\r\n$%d\r\n%s\r\n", len(args[0]), args[0]) },
		"garbage": func([]string) string { return "*2\r\n_\r\n$7\r\ngarbage\r\n" },
		"fields":  func([]string) string { return "*2\r\n:1\r\n:2\r\n" },
		"texts":   func([]string) string { return "*2\r\n$-1\r\n+text\r\n" },
		"errors":  func(args []string) string { return "*2\r\n$-1\r\n-ERR " + strings.Join(args, " ") + "\r\n" },
		"end":     func([]string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// One server that does so from the first command on, and one that lets the connection be made.
			for _, polite := range []bool{false, true} {
				addr := serve(t, func(args []string) string {
					if polite && (args[0] == "hello" || args[0] == "client") {
						return "%0\r\n"
					}
					if polite && args[0] == "AUTH" {
						return "+OK\r\n"
					}
					return answer(args)
				})
				s := openAsIs(t, "redis://u53r:p4ssw0rd@"+addr)
				id := session.ID{0xab, 0xcd, 0xef, 0x12}
				rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour, Payload: []byte("p4yl04d")}
				_, readErr := s.Read(t.Context(), id)
				for op, err := range map[string]error{
					"read": readErr, "create": s.Write(t.Context(), id, rec, session.Version{}),
					"change": s.Write(t.Context(), id, rec, session.Version{7}), "touch": s.Touch(t.Context(), id, rec), "ping": s.Ping(t.Context()),
				} {
					checkDiscreet(t, op, err, "u53r", "p4ssw0rd", "p4yl04d", hex.EncodeToString(id[:4]))
				}
				checkDiscreet(t, "destroy", s.Destroy(t.Context(), id), "u53r", "p4ssw0rd", hex.EncodeToString(id[:4]))
			}
		})
	}
}

func checkDiscreet(t *testing.T, op string, err error, secrets ...string) {
	t.Helper()
	if err == nil && op == "destroy" { // a number is an answer to DEL
		return
	}
	if !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrCorrupt) {
		t.Errorf("%s: got error %v, want %v or %v", op, err, session.ErrUnavailable, session.ErrCorrupt)
	}
	for _, text := range texts(err) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the error shows %q: %s", op, secret, text)
			}
		}
	}
}

// texts are those of err and of all that it wraps.
func texts(err error) (all []string) {
	if err == nil {
		return nil
	}
	all = append(all, err.Error())
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, texts(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, sub := range e.Unwrap() {
			all = append(all, texts(sub)...)
		}
	}
	return all
}

// serve listens on loopback and answers each command that comes; an empty answer ends the connection.
func serve(t *testing.T, answer func(args []string) string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					args, err := readCommand(in)
					if err != nil {
						return
					}
					reply := answer(args)
					if _, err := conn.Write([]byte(reply)); err != nil || reply == "" {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// readCommand reads an array of strings of the Redis protocol.
func readCommand(in *bufio.Reader) (args []string, err error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil || len(line) < 2 {
			return 0, errors.Join(err, errors.New("no line"))
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	for i := 0; i < n && err == nil; i++ {
		var size int
		if size, err = number(); err != nil {
			break
		}
		buf := make([]byte, size+2)
		if _, err = io.ReadFull(in, buf); err == nil {
			args = append(args, string(buf[:size]))
		}
	}
	return args, err
}
