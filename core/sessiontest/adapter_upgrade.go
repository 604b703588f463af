package sessiontest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func earlyHintsCases() []adapterCase {
	return []adapterCase{
		{"early-hints/before-set", "A response 103 goes out at once and does not end the time in which the session can " +
			"be changed.", earlyHints},
	}
}

func earlyHints(p *adapterProbe) {
	s := p.open(Route{"GET", "/hints", func(c Call) error {
		if err := c.(EarlyHinter).EarlyHints("</app.css>; rel=preload"); err != nil {
			return err
		}
		if err := set(c, "k", "v"); err != nil {
			return err
		}
		return write(small)(p, c)
	}})
	v := s.visitor()
	var hints atomic.Int32
	p.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints {
				hints.Add(1)
			}
			return nil
		},
	})
	v.get("/hints").want(http.StatusOK, small).wantCookie()
	if n := hints.Load(); n != 1 {
		p.fatalf("%d responses 103 arrived, want 1", n)
	}
	v.holds("after the response", "k", "v")
}

func upgradeCases() []adapterCase {
	return []adapterCase{
		{"upgrade/both-ways", "The session is committed before the connection is handed over, and the connection works " +
			"both ways.", upgradeBothWays},
		{"upgrade/failed-commit", "If the commit fails the connection is not handed over, and the visitor gets the " +
			"error response.", upgradeFailed},
	}
}

// upgradeRoute echoes lines.
func (p *adapterProbe) upgradeRoute(talked *atomic.Bool) Route {
	return Route{"GET", "/socket", func(c Call) error {
		if err := set(c, "k", "after"); err != nil {
			return err
		}
		c.SetHeader("Connection", "Upgrade")
		c.SetHeader("Upgrade", "echo")
		err := c.(Upgrader).Upgrade(func(conn io.ReadWriter) {
			talked.Store(true)
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintf(conn, "echo %s\n", lines.Text()); err != nil {
					return
				}
			}
		})
		if session.StatusCode(err) == http.StatusServiceUnavailable {
			return nil // answered already
		}
		return err
	}}
}

// dial asks for an upgrade and returns the connection and the answer.
func (v *visitor) dial() (*net.TCPConn, *bufio.Reader, *http.Response) {
	conn, err := net.Dial("tcp4", v.addr)
	v.p.ok("connecting", err)
	v.p.mu.Lock()
	v.p.close = append(v.p.close, conn)
	v.p.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nCookie: "+
		v.cookieHeader(v.token)+"\r\n\r\n")
	v.p.ok("sending a request", err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	v.p.ok("reading the answer", err)
	return conn.(*net.TCPConn), in, resp
}

func upgradeBothWays(p *adapterProbe) {
	var talked atomic.Bool
	s := p.open(p.upgradeRoute(&talked))
	for _, v := range []*visitor{s.known(), s.visitor()} {
		writes := s.store.Calls(OpWrite)
		conn, in, resp := v.dial()
		if resp.StatusCode != http.StatusSwitchingProtocols {
			p.fatalf("the answer to the upgrade has status %d, want 101", resp.StatusCode)
		}
		if n := s.store.Calls(OpWrite) - writes; n != 1 {
			p.fatalf("when the connection was handed over the session had been written %d times, want once", n)
		}
		v.keep(&answer{p: p, managed: s.managed, header: resp.Header})
		for i := range 3 {
			_, err := fmt.Fprintf(conn, "line %d\n", i)
			p.ok("writing a line", err)
			line, err := in.ReadString('\n')
			if want := fmt.Sprintf("echo line %d\n", i); line != want || err != nil {
				p.fatalf("the connection answered %q and error %v, want %q", line, err, want)
			}
		}
		_ = conn.Close()
		v.holds("after the upgrade", "k", "after")
	}
}

func upgradeFailed(p *adapterProbe) {
	var talked atomic.Bool
	s := p.open(p.upgradeRoute(&talked))
	v := s.known()
	s.store.Before(OpWrite, -1, Fail)
	conn, _, resp := v.dial()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	p.ok("reading the body", err)
	a := &answer{p: p, managed: s.managed, what: "GET /socket", sent: v.token, status: resp.StatusCode, header: resp.Header,
		body: string(body)}
	a.wantError(session.ErrUnavailable).wantSameToken().wantHeader("Upgrade", "")
	_, _ = io.WriteString(conn, "line\n")
	time.Sleep(settle)
	_ = conn.Close()
	if talked.Load() {
		p.fatalf("the handler got the connection although the commit had failed")
	}
	s.store.Heal()
	v.holds("after the failed commit", "k", "before")
}
