package session

import (
	"errors"
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
	mac    TokenMAC
	keep   bool // secrets are needed to read sessions
	// clear is the Clear-Site-Data of a logout; clearNew is that of one that is followed by a new session.
	clear, clearNew string
}

// maxTokens bounds how many tokens of one request are tried. Several cookies of one name reach a server when a host above
// or beside it has planted one (RFC 6265bis 8.6): the first that the store knows is the visitor's.
const maxTokens = 4

func newCarrier(o *Options) carrier {
	return carrier{
		cookie: o.Cookie, header: textproto.CanonicalMIMEHeaderKey(o.Header),
		mac: o.TokenMAC, keep: len(o.Encryption.Keys) > 0,
		clear: clearSiteData(o.ClearSiteData, false), clearNew: clearSiteData(o.ClearSiteData, true),
	}
}

// clearSiteData is the header, without what would take the cookie of a new session along.
func clearSiteData(types []string, keepCookies bool) string {
	var quoted []string
	for _, name := range types {
		switch {
		case keepCookies && name == "cookies":
		case keepCookies && name == "*":
			quoted = append(quoted, `"cache"`, `"storage"`)
		default:
			quoted = append(quoted, `"`+name+`"`)
		}
	}
	return strings.Join(quoted, ", ")
}

// named is what a request names.
type named struct {
	ids               []ID // without repetition
	secrets           *[maxTokens]secret
	malformed, forged uint8 // tokens
}

func (n *named) add(c *carrier, token string) {
	s, err := c.mac.parse(token)
	switch {
	case errors.Is(err, errMalformed):
		n.malformed++
		return
	case err != nil:
		n.forged++
		return
	}
	id := s.id()
	if slices.Contains(n.ids, id) {
		return
	}
	if c.keep && n.secrets == nil {
		n.secrets = new([maxTokens]secret)
	}
	if c.keep {
		n.secrets[len(n.ids)] = s
	}
	n.ids = append(n.ids, id)
}

// secret returns that of the token of a session, nil if no session is read with it.
func (n *named) secret(id ID) *secret {
	if i := slices.Index(n.ids, id); i >= 0 && n.secrets != nil {
		return &n.secrets[i]
	}
	return nil
}

// named returns what a request names, with its ids in a buffer. Of its tokens the first few are looked at.
func (c *carrier) named(ids []ID, in RequestHeader) (n named) {
	n.ids = ids
	seen := 0
	if c.header != "" {
		for _, token := range in.Values(c.header) {
			if token == "" {
				continue
			}
			if seen++; seen > maxTokens {
				break
			}
			n.add(c, token)
		}
		return n
	}
	for _, line := range in.Values("Cookie") {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name != c.cookie.Name || value == "" {
				continue
			}
			if seen++; seen > maxTokens {
				return n
			}
			n.add(c, value)
		}
	}
	return n
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
	if result.deleted {
		data := c.clear
		if result.token != "" {
			data = c.clearNew
		}
		if data != "" && out.Get("Clear-Site-Data") == "" {
			out.Set("Clear-Site-Data", data)
		}
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
