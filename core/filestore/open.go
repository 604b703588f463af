package filestore

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

func init() { session.Register("file", "github.com/nonstick-go/nonstick/core/filestore", open) }

func open(_ context.Context, u *url.URL) (session.Handler, error) {
	if u.Host != "" || u.User != nil || u.Opaque != "" || !filepath.IsAbs(u.Path) {
		return nil, errors.New("a file store has no host and an absolute path, after three slashes: file:///var/lib/app/sessions")
	}
	if u.Fragment != "" {
		return nil, errors.New("a file store URL has no fragment: write %23 for a # in the path")
	}
	p := storeurl.New(u)
	opts := Options{
		NoSync:   !p.Bool("sync", true),
		LockWait: p.Duration("lock_wait", defaultLockWait),
		MaxBytes: p.Int("max_bytes", defaultMaxBytes, 1),
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	s, err := New(u.Path, &opts)
	if err != nil {
		return nil, err // not s: a nil *Store in the interface would not be nil
	}
	return s, nil
}
