package remember

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	defaultLifetime = 30 * 24 * time.Hour
	leastLifetime   = time.Minute
	mostLifetime    = 400 * 24 * time.Hour
	defaultGrace    = 30 * time.Second
	mostGrace       = 5 * time.Minute
)

func (o Options) withDefaults() (Options, error) {
	if o.Lifetime == 0 {
		o.Lifetime = defaultLifetime
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	c := &o.Cookie
	switch {
	case c.Name != "":
	case c.Insecure:
		c.Name = "remember"
	case c.Domain != "" || c.Path != "" && c.Path != "/":
		c.Name = "__Secure-remember"
	default:
		c.Name = "__Host-remember"
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	return o, o.check()
}

func (o *Options) check() error {
	c := &o.Cookie
	name := strings.ToLower(c.Name) // browsers compare the prefixes without case
	host := strings.HasPrefix(name, "__host-")
	switch {
	case o.Lifetime < leastLifetime || o.Lifetime > mostLifetime:
		return fmt.Errorf("remember: Options.Lifetime: %v is not within %v and %v", o.Lifetime, leastLifetime, mostLifetime)
	case o.Grace > mostGrace:
		return fmt.Errorf("remember: Options.Grace: %v is more than %v", o.Grace, mostGrace)
	case host && (c.Domain != "" || c.Path != "/"):
		return errors.New("remember: Options.Cookie.Name: a __Host- cookie has no Domain and the Path / (RFC 6265bis 4.1.3.2)")
	case c.Insecure && (host || strings.HasPrefix(name, "__secure-") || strings.HasPrefix(name, "__http-")):
		return errors.New("remember: Options.Cookie.Insecure: browsers refuse this Name without Secure; choose another one")
	case c.SameSite < http.SameSiteLaxMode || c.SameSite > http.SameSiteNoneMode:
		return errors.New("remember: Options.Cookie.SameSite: must be Lax, Strict or None")
	case c.SameSite == http.SameSiteNoneMode && c.Insecure:
		return errors.New("remember: Options.Cookie.SameSite: None needs Secure, so it cannot be Insecure")
	case c.Partitioned && c.SameSite != http.SameSiteNoneMode:
		return errors.New("remember: Options.Cookie.Partitioned: needs SameSite None")
	case !strings.HasPrefix(c.Path, "/"):
		return errors.New("remember: Options.Cookie.Path: must begin with /")
	}
	probe := http.Cookie{Name: c.Name, Value: "x", Path: c.Path, Domain: c.Domain}
	if err := probe.Valid(); err != nil {
		return fmt.Errorf("remember: Options.Cookie: %w", err)
	}
	return nil
}

// cookie is the cookie of a value, or the one that removes it if the value is empty.
func (l *Logins) cookie(value string, end time.Time) *http.Cookie {
	o := &l.o.Cookie
	c := &http.Cookie{
		Name: o.Name, Value: value, Path: o.Path, Domain: o.Domain,
		Secure: !o.Insecure, HttpOnly: true, SameSite: o.SameSite, Partitioned: o.Partitioned,
	}
	if value == "" {
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	} else {
		c.MaxAge = max(int(time.Until(end).Round(time.Second)/time.Second), 1)
	}
	return c
}
