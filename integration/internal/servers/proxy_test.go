package servers_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// echo is a server that says what it hears, line by line.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewReader(c); ; {
					line, err := in.ReadBytes('\n')
					if err != nil {
						return
					}
					_, _ = c.Write(line)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// hear returns what comes back through the proxy within some time, and how long it took.
func hear(t *testing.T, p *servers.Proxy, line []byte, within time.Duration) (reply []byte, took time.Duration) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	_ = c.SetDeadline(begin.Add(within))
	if _, err := c.Write(line); err != nil {
		t.Fatal(err)
	}
	reply = make([]byte, len(line))
	n, _ := io.ReadFull(c, reply)
	return reply[:n], time.Since(begin)
}

func TestProxyHarm(t *testing.T) {
	t.Parallel()
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	p := servers.StartProxy(t, echo(t))
	if got, _ := hear(t, p, line, time.Minute); !bytes.Equal(got, line) {
		t.Errorf("without harm: %q", got)
	}
	p.Harm(servers.Harm{Delay: 100 * time.Millisecond})
	if got, took := hear(t, p, line, time.Minute); !bytes.Equal(got, line) || took < 50*time.Millisecond {
		t.Errorf("with a delay of 100 ms: %q after %v", got, took)
	}
	p.Harm(servers.Harm{Drip: 500})
	if got, took := hear(t, p, line, time.Minute); !bytes.Equal(got, line) || took < 100*time.Millisecond {
		t.Errorf("100 bytes at 500 a second: %q after %v", got, took)
	}
	p.Harm(servers.Harm{Truncate: 1000})
	if got, _ := hear(t, p, line, time.Minute); !bytes.Equal(got, line[:50]) {
		t.Errorf("truncated: %q", got)
	}
	p.Harm(servers.Harm{Flip: 1000})
	if got, _ := hear(t, p, line, time.Minute); len(got) != len(line) || bytes.Equal(got, line) {
		t.Errorf("with a wrong bit: %q", got)
	}
	p.Harm(servers.Harm{Hole: true})
	if got, _ := hear(t, p, line, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("in a black hole: %q", got)
	}
	if got := p.Harmed(); got != 2 {
		t.Errorf("%d replies were harmed, want 2", got)
	}
}
