package servers

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Loss is a way in which a reply does not arrive.
type Loss int32

// The ways to lose a reply.
const (
	Silence Loss = iota + 1 // nothing comes any more, the connection stays open
	FIN                     // the connection ends in order
	RST                     // the connection is reset
)

// Proxy passes TCP connections on to a server and loses a reply on demand.
type Proxy struct {
	listener         net.Listener
	target           atomic.Pointer[string]
	lose             atomic.Int32
	share            atomic.Int32 // of replies that are lost, in thousandths
	lost             atomic.Int64
	harm             atomic.Pointer[Harm]
	harmed           atomic.Int64
	vanished         atomic.Int64 // how often; connections made before are dead
	sent, received   atomic.Int64
	mu               sync.Mutex
	conns            map[net.Conn]bool
	closed           bool
	copiers, accepts sync.WaitGroup
}

// StartProxy starts a proxy on loopback in front of the server at target. It ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, conns: map[net.Conn]bool{}}
	p.Redirect(target)
	p.Harm(Harm{})
	p.accepts.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Redirect makes the proxy pass new connections on to another server, as a name does that moves.
func (p *Proxy) Redirect(target string) { p.target.Store(&target) }

// Lose makes the proxy lose the next thing that the server says on any connection.
func (p *Proxy) Lose(how Loss) { p.lose.Store(int32(how)) }

// LoseShare makes the proxy reset that many of a thousand connections instead of passing on what the server says.
func (p *Proxy) LoseShare(thousandths int) { p.share.Store(int32(thousandths)) }

// Vanish makes the proxy swallow whatever is sent on the connections that are there now, in both directions and for ever:
// they stay open, as when the other end loses its power or a firewall its memory. New connections work.
func (p *Proxy) Vanish() { p.vanished.Add(1) }

// Lost is how many replies were lost.
func (p *Proxy) Lost() int64 { return p.lost.Load() }

// Bytes is how much went to the server and came from it.
func (p *Proxy) Bytes() (sent, received int64) { return p.sent.Load(), p.received.Load() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", *p.target.Load())
		if err != nil || !p.add(client, server) {
			_ = client.Close()
			continue
		}
		age := p.vanished.Load()
		p.copiers.Go(func() { p.forward(client, server, age) })
		p.copiers.Go(func() { p.back(client, server, age) })
	}
}

// add remembers the connections, so that close can end them.
func (p *Proxy) add(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = server.Close()
		return false
	}
	p.conns[client], p.conns[server] = true, true
	return true
}

func (p *Proxy) end(client, server net.Conn) {
	_ = client.Close()
	_ = server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

func (p *Proxy) forward(client, server net.Conn, age int64) {
	defer p.end(client, server)
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		p.sent.Add(int64(n))
		if (p.vanished.Load() > age || p.harm.Load().Hole) && err == nil {
			continue
		}
		if _, errW := server.Write(buf[:n]); err != nil || errW != nil {
			return
		}
	}
}

func (p *Proxy) back(client, server net.Conn, age int64) {
	defer p.end(client, server)
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		p.received.Add(int64(n))
		if err != nil {
			return
		}
		if p.vanished.Load() > age || p.harm.Load().Hole {
			continue
		}
		how := Loss(p.lose.Swap(0))
		if how == 0 && rand.Int32N(1000) < p.share.Load() {
			how = RST
		}
		if how != 0 {
			p.lost.Add(1)
			switch how {
			case Silence:
				_, _ = io.Copy(io.Discard, server) // until the client gives up
			case RST:
				_ = client.(*net.TCPConn).SetLinger(0)
			}
			return
		}
		if !p.pass(client, buf[:n]) {
			return
		}
	}
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.accepts.Wait()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.copiers.Wait()
}
