package session

import (
	"net/netip"
	"slices"
	"strings"
)

// client returns the address of the visitor. It is not valid if it is not known.
func (b *Binding) client(in RequestHeader) netip.Addr {
	p, ok := in.(RequestPeer)
	if !ok {
		return netip.Addr{}
	}
	addr := parseAddr(p.RemoteAddr())
	if len(b.TrustedProxies) == 0 || addr.IsValid() && !b.trusts(addr) {
		return addr
	}
	for _, line := range slices.Backward(in.Values("X-Forwarded-For")) {
		for more := true; more; {
			var last string
			if line, last, more = cutLast(line); strings.TrimSpace(last) == "" {
				continue
			}
			if addr = parseAddr(last); !addr.IsValid() || !b.trusts(addr) {
				return addr
			}
		}
	}
	return addr
}

// cutLast cuts the last member of a list off.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

func (b *Binding) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(b.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddr parses an IP address that may have a port, and brackets. An IPv4 address in IPv6 form is an IPv4 address.
func parseAddr(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap().WithZone("")
	}
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	addr, _ := netip.ParseAddr(text)
	return addr.Unmap().WithZone("")
}
