package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
)

// Binding notices that a session is used from another address, or with another browser, than it was begun or last renewed
// with: that may be a thief, and may be a phone that has left the house, or a browser's update. So it is off by default, and
// better reported than enforced (OWASP Session Management Cheat Sheet, "Binding the Session ID to Other User Properties").
type Binding struct {
	// Address and UserAgent are what to do when they have changed. Of two rules the stricter one counts. A session that
	// knows no address yet, or no browser, learns it with the next request that is not ReadOnly.
	Address, UserAgent BindRule
	// IPv4Bits and IPv6Bits are how much of an address must stay the same. Default 32 and 64: within one network, the
	// addresses of an IPv6 host change all the time.
	IPv4Bits, IPv6Bits int
	// TrustedProxies are the networks of your own proxies. From them alone X-Forwarded-For is believed, read from its end
	// up to the first address that is not one of them. With any set, a peer without an IP address, which is one on a unix
	// socket, is such a proxy too. Default none: the address is that of the connection.
	TrustedProxies []netip.Prefix
	// Decide, if set, is called with each change and returns the rule for it, which may be another one than m.Rule: to ask
	// for the password again, to write a mail. It is called before the handler, on the request's goroutine.
	Decide func(ctx context.Context, m Mismatch) BindRule
}

// BindRule is what follows when a session is used from elsewhere.
type BindRule uint8

const (
	// BindOff does not look.
	BindOff BindRule = iota
	// BindReport tells the Observer and Binding.Decide, once for each change: the session goes on, and is bound to the new
	// origin from then on.
	BindReport
	// BindRefuse gives the visitor a fresh session, and leaves the one that he has named to its owner: CodeIgniter's matchIP.
	BindRefuse
	// BindEnd ends the session for everybody. Whoever has its token can so end it; but he has it.
	BindEnd
)

// Mismatch is how the origin of a request differs from that of its session.
type Mismatch struct {
	Rule      BindRule // what Options say
	Address   bool     // the address has changed
	UserAgent bool     // the browser has changed
	// Was and Now are the networks, of IPv4Bits or IPv6Bits. They are not valid where the address is not known.
	Was, Now netip.Prefix
}

// RequestPeer is what a RequestHeader may have too: who has sent the request, for Options.Binding.
type RequestPeer interface {
	// RemoteAddr returns the address of the connection's other end, with or without a port.
	RemoteAddr() string
}

func (b *Binding) on() bool { return b.Address != BindOff || b.UserAgent != BindOff }

func (b Binding) withDefaults() Binding {
	if b.IPv4Bits == 0 {
		b.IPv4Bits = 32
	}
	if b.IPv6Bits == 0 {
		b.IPv6Bits = 64
	}
	return b
}

func (b *Binding) check() error {
	switch {
	case b.Address > BindEnd || b.UserAgent > BindEnd:
		return errors.New("Binding: there is no such BindRule")
	case b.IPv4Bits < 1 || b.IPv4Bits > 32:
		return fmt.Errorf("Binding.IPv4Bits: %d is not from 1 to 32", b.IPv4Bits)
	case b.IPv6Bits < 1 || b.IPv6Bits > 128:
		return fmt.Errorf("Binding.IPv6Bits: %d is not from 1 to 128", b.IPv6Bits)
	case !b.on() && b.Decide != nil:
		return errors.New("Binding.Decide: is never called, as both rules are BindOff; BindReport makes them look")
	}
	for _, p := range b.TrustedProxies {
		if !p.IsValid() {
			return errors.New("Binding.TrustedProxies: a prefix is not valid")
		}
	}
	return nil
}

// origin is where a request comes from, or where a session belongs.
type origin struct {
	net   netip.Prefix // not valid if it is not known
	agent []byte       // of the header's hash; empty if it was not looked at
}

const agentBytes = 8

// of returns the origin of a request, in so far as it is looked at.
func (b *Binding) of(in RequestHeader) (o origin) {
	if b.Address != BindOff {
		if addr := b.client(in); addr.Is4() {
			o.net, _ = addr.Prefix(b.IPv4Bits)
		} else if addr.IsValid() {
			o.net, _ = addr.Prefix(b.IPv6Bits)
		}
	}
	if b.UserAgent != BindOff {
		h := sha256.New()
		for _, agent := range in.Values("User-Agent") {
			h.Write([]byte(agent))
		}
		o.agent = h.Sum(nil)[:agentBytes]
	}
	return o
}

// note is how a session keeps its origin: the length of the address, its bits and bytes, and the hash.
func (o origin) note() []byte {
	note := []byte{0}
	if o.net.IsValid() {
		addr := o.net.Addr().AsSlice()
		note = append([]byte{byte(1 + len(addr)), byte(o.net.Bits())}, addr...)
	}
	return append(note, o.agent...)
}

func parseOrigin(note []byte) (o origin) {
	if len(note) == 0 || int(note[0]) > len(note)-1 {
		return o
	}
	net, rest := note[1:1+note[0]], note[1+note[0]:]
	if len(net) > 1 {
		if addr, ok := netip.AddrFromSlice(net[1:]); ok {
			o.net = netip.PrefixFrom(addr, int(net[0]))
		}
	}
	if len(rest) == agentBytes {
		o.agent = rest
	}
	return o
}

// compare tells how a request differs from the origin of its session. What the session does not know yet cannot differ.
// Networks of two sizes, since an option has changed, are compared by the larger.
func (b *Binding) compare(was, now origin) (m Mismatch) {
	m.Was, m.Now = was.net, now.net
	if b.Address != BindOff && was.net.IsValid() && !sameNet(was.net, now.net) {
		m.Address, m.Rule = true, b.Address
	}
	if b.UserAgent != BindOff && was.agent != nil && !bytes.Equal(was.agent, now.agent) {
		m.UserAgent, m.Rule = true, max(m.Rule, b.UserAgent)
	}
	return m
}

func sameNet(a, b netip.Prefix) bool {
	if !b.IsValid() || a.Addr().BitLen() != b.Addr().BitLen() {
		return false
	}
	bits := min(a.Bits(), b.Bits())
	return netip.PrefixFrom(a.Addr(), bits).Contains(b.Addr())
}

// bound reports whether the request may have the session that it has found; if not, the session is as if it was not there.
func (x *Exchange) bound(s *Session, id ID, rec Record) bool {
	b := &x.m.o.Binding
	note, known := find(rec.Payload, noteOrigin)
	was, now := parseOrigin(note), b.of(x.in)
	s.origin = now.note()
	m := b.compare(was, now)
	s.moved = !known || m.Rule != BindOff || was.agent == nil && now.agent != nil || !was.net.IsValid() && now.net.IsValid()
	if m.Rule == BindOff {
		return true
	}
	s.observe(Event{Kind: EventMoved, Op: m.what(), id: id})
	if b.Decide != nil {
		m.Rule = b.Decide(s.ctx, m)
	}
	switch m.Rule {
	case BindRefuse:
	case BindEnd:
		s.drop()
		if err := x.m.end(s.ctx, id, rec.Version, nil); err != nil {
			s.observe(Event{Kind: EventFailed, Op: "destroy", Err: withoutRecord(err), id: id})
		} else {
			s.observe(Event{Kind: EventDestroyed, id: id})
		}
	default:
		return true
	}
	return false
}

func (m *Mismatch) what() string {
	switch {
	case m.Address && m.UserAgent:
		return "address and user agent"
	case m.Address:
		return "address"
	default:
		return "user agent"
	}
}

// bind notes where the session belongs: to where it begins, or is renewed, or was found to be used now.
func (s *Session) bind() {
	note, _ := find(s.rec.Payload, noteOrigin)
	if (s.id.IsZero() || s.renew || s.moved) && s.mode != ReadOnly && !bytes.Equal(note, s.origin) {
		s.note(noteOrigin, s.origin)
	}
}
