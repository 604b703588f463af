package life_test

import (
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

// rememberedOn are two nodes on one store.
func rememberedOn(t *testing.T, open func() (session.Handler, error), o remember.Options) (nodes [2]*remember.Logins) {
	t.Helper()
	for i := range nodes {
		store, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := store.(io.Closer); ok {
			t.Cleanup(func() { _ = c.Close() })
		}
		if nodes[i], err = remember.New(store, o); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// TestRemembered logs in on several devices at once, uses one cookie in many tabs, has it stolen, and ends what is left.
func TestRemembered(t *testing.T) {
	t.Parallel()
	for name, start := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := start(t)
			nodes := rememberedOn(t, open, remember.Options{})
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
			strict := rememberedOn(t, open, remember.Options{Grace: -1})
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
