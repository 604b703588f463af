package memstore

import (
	"context"
	"errors"
	"net/url"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

func init() { session.Register("memory", "github.com/nonstick-go/nonstick/core/memstore", open) }

func open(_ context.Context, u *url.URL) (session.Handler, error) {
	if u.Host != "" || u.User != nil || u.Path != "" || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("a memory store has no host and no path: write memory://")
	}
	p := storeurl.New(u)
	opts := Options{MaxBytes: p.Int("max_bytes", 0, 1), MaxSessions: p.Int("max_sessions", 0, 1)}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return New(&opts), nil
}
