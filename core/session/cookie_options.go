package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Cookie configures the cookie that carries the token. The value never holds anything else (ASVS 3.3.4), and the
// cookie is HttpOnly always.
type Cookie struct {
	// Name of the cookie. Default "__Host-session", which browsers accept only with Secure, Path=/ and no Domain (RFC
	// 6265bis 4.1.3.2); "__Secure-session" when Domain or Path is set; "session" when Insecure.
	Name string
	// Path of the cookie. Default "/".
	Path string
	// Domain lets all hosts below it send the cookie. Default: only the host that set it.
	Domain string
	// SameSite attribute. Default Lax; None needs Secure.
	SameSite http.SameSite
	// Partitioned gives the cookie a jar of its own under each top-level site (CHIPS); it needs SameSite None.
	Partitioned bool
	// Persistent keeps the cookie when the browser is closed, for the absolute lifetime of the session, at most 400
	// days (RFC 6265bis 5.5). The server decides by its own record alone when a session ends.
	Persistent bool
	// Insecure leaves out Secure: for development over plain http, where browsers refuse Secure cookies. Never use it
	// in production.
	Insecure bool
}

const (
	maxCookieBytes = 4096                 // of name and value (RFC 6265bis 5.6, ASVS 3.3.5)
	maxCookieAge   = 400 * 24 * time.Hour // RFC 6265bis 5.5
)

func (c Cookie) withDefaults() Cookie {
	if c.Name == "" {
		switch {
		case c.Insecure:
			c.Name = "session"
		case c.Domain != "" || c.Path != "" && c.Path != "/":
			c.Name = "__Secure-session"
		default:
			c.Name = "__Host-session"
		}
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}

func (c *Cookie) check() error {
	var errs []error
	lower := strings.ToLower(c.Name) // browsers compare the prefixes without case
	host := strings.HasPrefix(lower, "__host-")
	if host && (c.Domain != "" || c.Path != "/") {
		errs = append(errs, errors.New("Cookie.Name: a __Host- cookie has no Domain and the Path / (RFC 6265bis 4.1.3.2)"))
	}
	if c.Insecure && (host || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")) {
		errs = append(errs, errors.New("Cookie.Insecure: browsers refuse a __Host- or __Secure- cookie without Secure; choose another Name"))
	}
	if c.SameSite < http.SameSiteLaxMode || c.SameSite > http.SameSiteNoneMode {
		errs = append(errs, errors.New("Cookie.SameSite: must be Lax, Strict or None"))
	}
	if c.SameSite == http.SameSiteNoneMode && c.Insecure {
		errs = append(errs, errors.New("Cookie.SameSite: None needs Secure, so it cannot be Insecure"))
	}
	if c.Partitioned && (c.Insecure || c.SameSite != http.SameSiteNoneMode) {
		errs = append(errs, errors.New("Cookie.Partitioned: needs Secure and SameSite None"))
	}
	if len(c.Name)+tokenChars > maxCookieBytes {
		errs = append(errs, errors.New("Cookie.Name: name and value together exceed 4096 bytes"))
	}
	if !strings.HasPrefix(c.Path, "/") {
		errs = append(errs, errors.New("Cookie.Path: must begin with /"))
	}
	probe := http.Cookie{Name: c.Name, Value: "x", Path: c.Path, Domain: c.Domain}
	if err := probe.Valid(); err != nil {
		errs = append(errs, fmt.Errorf("Cookie: %w", err))
	}
	return errors.Join(errs...)
}
