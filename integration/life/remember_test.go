package life_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

// rememberedOn are two nodes on one store, which has their sessions too.
func rememberedOn(t *testing.T, open func() (session.Handler, error), o remember.Options) (nodes [2]*remember.Logins, sessions [2]*session.Manager) {
	t.Helper()
	for i := range nodes {
		sessions[i] = newManager(t, open, session.Options{EraInterval: eraInterval})
		store, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := store.(io.Closer); ok {
			t.Cleanup(func() { _ = c.Close() })
		}
		if nodes[i], err = remember.New(sessions[i], store, o); err != nil {
			t.Fatal(err)
		}
	}
	return nodes, sessions
}

const eraInterval = 200 * time.Millisecond

// TestEndEverythingEndsTheRemembered has one node end everything, while users are remembered and use that.
func TestEndEverythingEndsTheRemembered(t *testing.T) {
	t.Parallel()
	for name, start := range subjectStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes, sessions := rememberedOn(t, start(t), remember.Options{})
			ctx := t.Context()
			var values [4]string
			for i := range values {
				c, err := nodes[i%2].Issue(ctx, fmt.Sprint("user ", i), remember.Epoch{})
				if err != nil {
					t.Fatal(err)
				}
				values[i] = c.Value
			}
			done := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { // somebody is busy with his cookie, wherever he gets
				for value, over := values[0], false; !over; {
					select {
					case <-done:
						over = true
					default:
					}
					login, err := nodes[1].Use(ctx, value)
					switch {
					case err == nil && over:
						t.Error("what is in use has not ended")
					case err == nil:
						value = login.Cookie.Value
					case !errors.Is(err, session.ErrNotFound):
						t.Errorf("use: %v", err)
					}
				}
			})
			err := sessions[0].EndEverything(ctx)
			close(done)
			wg.Wait()
			if err != nil {
				t.Fatal(err)
			}
			for i, value := range values[1:] {
				if _, err := nodes[i%2].Use(ctx, value); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("use after the end: %v, want ErrNotFound", err)
				}
			}
			c, err := nodes[1].Issue(ctx, "user 1", remember.Epoch{})
			if err != nil {
				t.Fatal(err)
			}
			if login, err := nodes[0].Use(ctx, c.Value); err != nil || login.Subject != "user 1" {
				t.Errorf("a new login: %q, %v", login.Subject, err)
			}
		})
	}
}

// TestRemembered logs in on several devices at once, uses one cookie in many tabs, has it stolen, and ends what is left.
func TestRemembered(t *testing.T) {
	t.Parallel()
	for name, start := range subjectStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := start(t)
			nodes, _ := rememberedOn(t, open, remember.Options{})
			devices, tabs := make([]string, 6), make([]string, 10)
			ctx := t.Context()
			var wg sync.WaitGroup
			for i := range devices {
				wg.Go(func() {
					c, err := nodes[i%2].Issue(ctx, "ann", remember.Epoch{})
					if err != nil {
						t.Errorf("issue: %v", err)
						return
					}
					devices[i] = c.Value
				})
			}
			wg.Wait()
			for i := range tabs {
				wg.Go(func() {
					login, err := nodes[i%2].Use(ctx, devices[0])
					if err != nil || login.Subject != "ann" {
						t.Errorf("use in a tab: %q, %v", login.Subject, err)
						return
					}
					tabs[i] = login.Cookie.Value
				})
			}
			wg.Wait()
			for _, tab := range tabs {
				if tab != tabs[0] || tab == devices[0] {
					t.Fatal("the tabs have several cookies, or the old one")
				}
			}
			for _, d := range devices[1:] {
				if login, err := nodes[0].Use(ctx, d); err != nil || login.Subject != "ann" {
					t.Errorf("another device: %q, %v", login.Subject, err)
				}
			}
			strict, _ := rememberedOn(t, open, remember.Options{Grace: -1})
			if _, err := strict[0].Use(ctx, devices[0]); !errors.Is(err, remember.ErrStolen) {
				t.Errorf("use of what was replaced: %v, want ErrStolen", err)
			}
			for _, value := range []string{tabs[0], devices[1]} {
				if _, err := nodes[1].Use(ctx, value); !errors.Is(err, session.ErrNotFound) {
					t.Errorf("use after the theft: %v, want ErrNotFound", err)
				}
			}
			if _, err := nodes[0].Issue(ctx, "ann", remember.Epoch{}); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("issue to a login from before the theft: %v, want ErrNotFound", err)
			}
		})
	}
}
