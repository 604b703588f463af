package session

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// carrier is how tokens travel: in a cookie or in a header.
type carrier struct {
	cookie Cookie
	header string // canonical; empty for a cookie
}

// maxTokens bounds how many tokens of one request are tried. Several cookies of one name reach a server when a host above
// or beside it has planted one (RFC 6265bis 8.6): the first that the store knows is the visitor's.
const maxTokens = 4

func newCarrier(o *Options) carrier {
	return carrier{cookie: o.Cookie, header: textproto.CanonicalMIMEHeaderKey(o.Header)}
}

// ids appends the sessions that a request names to ids, without repetition, and counts tokens that have a wrong syntax.
func (c *carrier) ids(ids []ID, in RequestHeader) (_ []ID, malformed int) {
	seen := 0
	add := func(token string) bool {
		if seen++; seen > maxTokens {
			return false
		}
		if id, ok := parseToken(token); !ok {
			malformed++
		} else if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		return true
	}
	if c.header != "" {
		for _, token := range in.Values(c.header) {
			if token != "" && !add(token) {
				break
			}
		}
		return ids, malformed
	}
	for _, line := range in.Values("Cookie") {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name == c.cookie.Name && value != "" && !add(value) {
				return ids, malformed
			}
		}
	}
	return ids, malformed
}

// answer writes the headers of a response whose request used the session. What it holds is one visitor's: shared
// caches must not keep it (ASVS 14.2.2), and never a response that carries a token (OWASP Session Management Cheat
// Sheet, "Web Content Caching").
func (c *carrier) answer(out ResponseHeader, result outcome) {
	vary := c.header
	if vary == "" {
		vary = "Cookie"
	}
	if !containsToken(out.Get("Vary"), vary) {
		out.Add("Vary", vary)
	}
	if result.token == "" && !result.deleted {
		if out.Get("Cache-Control") == "" {
			out.Set("Cache-Control", "no-store")
		}
		return
	}
	out.Set("Cache-Control", "no-store")
	for _, name := range [...]string{"Cdn-Cache-Control", "Surrogate-Control", "Cloudflare-Cdn-Cache-Control"} {
		if out.Get(name) != "" { // for CDNs it overrides Cache-Control (RFC 9213)
			out.Set(name, "no-store")
		}
	}
	if c.header != "" {
		out.Set(c.header, result.token)
		return
	}
	out.Add("Set-Cookie", c.setCookie(result))
}

// setCookie is the Set-Cookie of a new token, or of a dead one's deletion, which must repeat all attributes: browsers
// ignore a deletion that does not meet the rules of the name's prefix.
func (c *carrier) setCookie(result outcome) string {
	ck := http.Cookie{
		Name: c.cookie.Name, Value: result.token, Path: c.cookie.Path, Domain: c.cookie.Domain,
		Secure: !c.cookie.Insecure, HttpOnly: true, SameSite: c.cookie.SameSite, Partitioned: c.cookie.Partitioned,
	}
	if result.token == "" {
		ck.MaxAge, ck.Expires = -1, time.Unix(1, 0)
	} else if c.cookie.Persistent {
		ck.MaxAge = max(int((result.life+time.Second-1)/time.Second), 1)
	}
	return ck.String()
}

func containsToken(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.EqualFold(part, token) {
			return true
		}
	}
	return false
}
