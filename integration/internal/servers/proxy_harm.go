package servers

import (
	"math/rand/v2"
	"net"
	"time"
)

// Harm is what a proxy does to all that the server says, as long as it is told to. The zero value does nothing.
type Harm struct {
	Delay    time.Duration // each reply comes so much later, half more or less
	Drip     int           // bytes a second
	Truncate int           // that many replies of a thousand end in the middle, and with them the connection
	Flip     int           // that many replies of a thousand have a wrong bit somewhere
	Hole     bool          // nothing arrives, in either direction; connections can be made and stay open
}

// Harm makes the proxy do harm, also on the connections that are there.
func (p *Proxy) Harm(h Harm) { p.harm.Store(&h) }

// Harmed is how many replies were truncated or had a wrong bit.
func (p *Proxy) Harmed() int64 { return p.harmed.Load() }

// dripEvery is how often some bytes of a dripping reply come.
const dripEvery = 20 * time.Millisecond

// pass tells the client what the server says, with harm. It reports whether the connection goes on.
func (p *Proxy) pass(client net.Conn, reply []byte) bool {
	h := p.harm.Load()
	if h.Delay > 0 {
		time.Sleep(time.Duration(float64(h.Delay) * (0.5 + rand.Float64())))
	}
	whole := rand.IntN(1000) >= h.Truncate
	if !whole {
		p.harmed.Add(1)
		reply = reply[:len(reply)/2]
	}
	if rand.IntN(1000) < h.Flip && len(reply) > 0 {
		p.harmed.Add(1)
		reply[rand.IntN(len(reply))] ^= 1 << rand.IntN(8)
	}
	for h.Drip > 0 && len(reply) > 0 {
		n := min(len(reply), max(1, h.Drip*int(dripEvery/time.Millisecond)/1000))
		if _, err := client.Write(reply[:n]); err != nil {
			return false
		}
		reply = reply[n:]
		time.Sleep(dripEvery)
		h = p.harm.Load()
	}
	_, err := client.Write(reply)
	return err == nil && whole
}
