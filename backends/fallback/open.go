package fallback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

func init() {
	session.Register("fallback", "github.com/nonstick-go/nonstick/backends/fallback", open)
}

// open opens the stores that are parameters of a URL.
func open(ctx context.Context, u *url.URL) (session.Handler, error) {
	if u.Host != "" || u.User != nil || u.Opaque != "" || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return nil, errors.New("its URL has nothing but parameters: fallback://?fast=URL&durable=URL&local=URL")
	}
	plain := *u
	plain.RawQuery = strings.ReplaceAll(u.RawQuery, "+", "%2B") // of redis+cluster://; nothing here has a blank
	p := storeurl.New(&plain)
	urls := []string{p.String("fast", ""), p.String("durable", ""), p.String("local", "")}
	o := Options{RequireShared: p.Bool("require_shared", false), ServeUnverified: p.Bool("serve_unverified", false)}
	if p.Bool("standby", false) {
		o.Mode = Standby
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("%w (inside of the URL of a store, & is written %%26, and %% is %%25)", err)
	}
	if urls[0] == "" || urls[1] == "" {
		return nil, errors.New("it takes the parameters fast and durable, which are URLs of stores")
	}
	var opened []session.Handler
	giveUp := func(err error) (session.Handler, error) {
		for _, h := range opened {
			if c, ok := h.(io.Closer); ok {
				_ = c.Close() // err tells more
			}
		}
		return nil, err
	}
	for i, name := range []string{"fast", "durable", "local"} {
		if urls[i] == "" {
			continue
		}
		h, err := session.Open(ctx, urls[i])
		if err != nil {
			return giveUp(fmt.Errorf("%s: %w", name, err))
		}
		opened = append(opened, h)
	}
	if len(opened) == 3 {
		var ok bool
		if o.Local, ok = opened[2].(Local); !ok {
			return giveUp(errors.New("local: this store cannot list its sessions and remove certain versions of them; file:// can"))
		}
	}
	s, err := New(opened[0], opened[1], &o)
	if err != nil {
		return giveUp(err)
	}
	return s, nil
}

// Open opens the stores that a URL names in its parameters:
//
//	fallback://?fast=redis://localhost:6379&durable=mysql://app:secret@localhost:3306/app&local=file:///var/lib/app/sessions
//
//	fast              the URL of the fast store
//	durable           that of the durable one
//	local             that of the node's own, usually file://; without it nothing is changed while the durable one is away
//	require_shared    true: see Options.RequireShared; default false
//	standby           true: the mode is Standby; default false
//	serve_unverified  true: see Options.ServeUnverified; default false
//
// The packages of the stores have to be imported. Inside of their URLs, & is written %26, and % is %25. Errors show no more of
// a URL than scheme and host. session.Open does the same.
func Open(rawURL string) (*Store, error) {
	if !strings.HasPrefix(rawURL, "fallback:") {
		return nil, errors.New("fallback: the URL does not begin with fallback://")
	}
	h, err := session.Open(context.Background(), rawURL)
	if err != nil {
		return nil, err
	}
	return h.(*Store), nil
}
