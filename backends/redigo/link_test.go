package redigo_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/redigo"
)

// network is a connection to nobody that notes what is called.
type network struct {
	net.Conn

	sizes   []int // of what was written
	written bytes.Buffer
	answers []string // of one read each, then comes io.EOF
	reads   int
	full    error // of writes
}

func (n *network) Write(p []byte) (int, error) {
	if n.full != nil {
		return 0, n.full
	}
	n.sizes = append(n.sizes, len(p))
	return n.written.Write(p)
}

func (n *network) Read(p []byte) (int, error) {
	n.reads++
	if len(n.answers) == 0 {
		return 0, io.EOF
	}
	got := copy(p, n.answers[0])
	if n.answers[0] = n.answers[0][got:]; n.answers[0] == "" {
		n.answers = n.answers[1:]
	}
	return got, nil
}

func (n *network) Close() error                     { return nil }
func (n *network) SetReadDeadline(time.Time) error  { return nil }
func (n *network) SetWriteDeadline(time.Time) error { return nil }

// A batch of commands is written, and its answers are read, in one piece each, though redigo does it by 4 KiB.
func TestLinkBatch(t *testing.T) {
	t.Parallel()
	answer := "$2000\r\n" + string(bytes.Repeat([]byte("x"), 2000)) + "\r\n"
	n := &network{answers: []string{answer + answer + answer + answer + answer + answer}}
	c := redigo.NewLink(n)
	value := bytes.Repeat([]byte("v"), 2000)
	for range 6 {
		if err := c.Send("SET", "k", value); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if got, err := redis.Bytes(c.Receive()); err != nil || len(got) != 2000 {
			t.Fatalf("answer %d has %d bytes: %v", i, len(got), err)
		}
	}
	if len(n.sizes) != 1 || n.reads != 1 {
		t.Errorf("%d writes and %d reads", len(n.sizes), n.reads)
	}
	if want := bytes.Repeat([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000\r\n"+string(value)+"\r\n"), 6); !bytes.Equal(n.written.Bytes(), want) {
		t.Errorf("other bytes than redigo's were written: %d, not %d", n.written.Len(), len(want))
	}
}

// What redigo writes is sent at once if it is short, before an answer is waited for, and before it becomes too much.
func TestLinkWrites(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ writes, sizes []int }{
		"short":       {[]int{1, 4095}, []int{1, 4095}},
		"the rest":    {[]int{4096, 4096, 10}, []int{8202}},
		"whole":       {[]int{4096, 4096}, []int{8192}}, // by the read
		"larger":      {[]int{4096, 1 << 20, 10}, []int{4096, 1 << 20, 10}},
		"not forever": {slices.Repeat([]int{4096}, 17), []int{16 * 4096, 4096}},
	} {
		n := &network{answers: []string{"+OK\r\n"}}
		l := redigo.NewLimits(n)
		for _, size := range c.writes {
			if got, err := l.Write(make([]byte, size)); got != size || err != nil {
				t.Errorf("%s: %d of %d bytes: %v", name, got, size, err)
			}
		}
		if _, err := l.Read(make([]byte, 4096)); err != nil || !slices.Equal(n.sizes, c.sizes) {
			t.Errorf("%s: writes of %v, not %v: %v", name, n.sizes, c.sizes, err)
		}
	}
	n := &network{full: errors.New("cut off")}
	l := redigo.NewLimits(n)
	if _, err := l.Write(make([]byte, 4096)); err != nil {
		t.Error(err)
	}
	if _, err := l.Read(make([]byte, 10)); !errors.Is(err, n.full) || n.reads > 0 {
		t.Errorf("an answer was waited for to what was not sent: %v", err)
	}
}

// What is read ahead comes before the error that ends the connection.
func TestLinkReads(t *testing.T) {
	t.Parallel()
	text := string(bytes.Repeat([]byte("0123456789"), 5000))
	got, err := io.ReadAll(redigo.NewLimits(&network{answers: []string{text[:30_000], text[30_000:]}}))
	if err != nil || string(got) != text {
		t.Errorf("%d bytes, not %d: %v", len(got), len(text), err)
	}
}
