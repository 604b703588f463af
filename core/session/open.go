package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Opener opens the store that a URL names. It fails on query parameters that it does not know, and its errors show
// nothing of the URL but scheme and host (see package storeurl, which helps with both).
type Opener func(ctx context.Context, u *url.URL) (Handler, error)

// Mux finds the Opener of a URL's scheme. The zero value is ready to use; it is safe for concurrent use.
type Mux struct {
	mu     sync.RWMutex
	owners map[string][]owner
}

type owner struct {
	name string
	open Opener
}

// Register makes open responsible for the URLs of a scheme. name says who it is, usually an import path, for messages.
// Two owners of one scheme are allowed; Open then refuses to guess. Register panics when open is nil or the same name
// registers a scheme twice, which are mistakes of the program.
func (m *Mux) Register(scheme, name string, open Opener) {
	if open == nil {
		panic("session: Register of scheme " + scheme + " without an Opener")
	}
	scheme = strings.ToLower(scheme) // as url.Parse does
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.owners[scheme] {
		if o.name == name {
			panic("session: " + name + " registers scheme " + scheme + " twice")
		}
	}
	if m.owners == nil {
		m.owners = make(map[string][]owner)
	}
	m.owners[scheme] = append(m.owners[scheme], owner{name, open})
}

// Open opens the store that rawURL names, such as "redis://localhost:6379" or "file:///var/lib/app/sessions". Its errors
// show the scheme and the host, never the rest of the URL, which may hold a password.
func (m *Mux) Open(ctx context.Context, rawURL string) (Handler, error) {
	switch {
	case rawURL == "":
		return nil, &Error{"open", errors.New("the store URL is empty (is the environment variable set?)")}
	case strings.TrimSpace(rawURL) != rawURL:
		return nil, &Error{"open", errors.New("the store URL begins or ends with white space")}
	case !strings.Contains(rawURL, "://"):
		return nil, &Error{"open", errors.New("the store URL has no scheme with ://, as in redis://host:6379 or file:///folder")}
	}
	u, err := url.Parse(rawURL)
	if err != nil { // the parser's own text would quote parts of the URL
		return nil, &Error{"open", errors.New("the store URL cannot be parsed: special characters in user or password must be percent-encoded, and of several hosts the last needs a port")}
	}
	m.mu.RLock()
	owners := m.owners[u.Scheme]
	schemes := make([]string, 0, len(m.owners))
	for s := range m.owners {
		schemes = append(schemes, s)
	}
	m.mu.RUnlock()
	switch len(owners) {
	case 0:
		slices.Sort(schemes)
		return nil, &Error{"open", fmt.Errorf("no backend is registered for %s:// (forgotten import?%s); registered: %s",
			u.Scheme, importOf(u.Scheme), cmp.Or(strings.Join(schemes, ", "), "none"))}
	case 1:
	default:
		names := make([]string, len(owners))
		for i, o := range owners {
			names[i] = o.name
		}
		slices.Sort(names)
		return nil, &Error{"open", fmt.Errorf("%s:// is registered by %s: import only one of them, or use its New", u.Scheme, strings.Join(names, " and "))}
	}
	h, err := owners[0].open(ctx, u)
	if err != nil {
		return nil, wrap("open", fmt.Errorf("%s: %w", shown(u), err))
	}
	return h, nil
}

// importOf tells which import brings a scheme of ours.
func importOf(scheme string) string {
	path := map[string]string{"memory": "core/memstore", "file": "core/filestore"}[scheme]
	switch kind, _, _ := strings.Cut(scheme, "+"); kind {
	case "redis", "rediss":
		path = "backends/goredis"
	case "fallback":
		path = "backends/fallback"
	case "mysql", "mysqls":
		path = "backends/fallback/mysqlstore"
	}
	if path == "" {
		return ""
	}
	return ` It is: import _ "github.com/nonstick-go/nonstick/` + path + `"`
}

// shown returns the scheme and the host of u. An @ behind the host means that a password with special characters was not
// escaped, and that the host is a part of it.
func shown(u *url.URL) string {
	host := u.Host
	if u.User == nil && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		host = ""
	}
	return u.Scheme + "://" + host
}

var defaultMux Mux

// Register registers with the default Mux; backends call it from init.
func Register(scheme, name string, open Opener) { defaultMux.Register(scheme, name, open) }

// Open opens a store with the default Mux, to which a blank import adds a backend:
//
//	import _ "github.com/nonstick-go/nonstick/backends/goredis" // redis://, rediss://
func Open(ctx context.Context, rawURL string) (Handler, error) { return defaultMux.Open(ctx, rawURL) }
