package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// touchy is an Observer that panics at one kind of event.
type touchy session.EventKind

func (o touchy) Observe(_ context.Context, e session.Event) {
	if e.Kind == session.EventKind(o) {
		panic("the observer panicked")
	}
}

// Whatever panics on the way to a lock, a store or an Observer, it keeps the session from nobody: not from the requests of
// this process, which would wait in vain for ever, nor from others.
func TestPanicOnTheWayToALock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		op      string
		disturb func(call func() error) error
		at      session.EventKind
	}{
		"store, before":  {"acquire", func(func() error) error { panic("the store panicked") }, 0},
		"store, after":   {"acquire", func(call func() error) error { _ = call(); panic("the store panicked") }, 0},
		"observer":       {"", nil, session.EventLocked},
		"observer, late": {"", nil, session.EventLoaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, v, other := pair(t, session.Options{Observer: touchy(test.at)})
				f.on(test.op, test.disturb)
				func() {
					defer func() {
						if recover() == nil {
							t.Error("the panic does not reach the handler")
						}
					}()
					_, _ = v.ask(t.Context(), session.Exclusive, func(*session.Session) {})
				}()
				f.on(test.op, nil)
				synctest.Wait()
				for _, v := range []*visitor{v.on(newManager(t, shared{f.Handler}.locking(), session.Options{})), other} {
					if _, err := v.ask(t.Context(), session.Exclusive.MaxWait(0), func(*session.Session) {}); err != nil {
						t.Errorf("on another node: %v", err)
					}
				}
				if test.at == 0 {
					if _, err := v.ask(t.Context(), session.Exclusive.MaxWait(time.Second), func(*session.Session) {}); err != nil {
						t.Errorf("on this node: %v", err)
					}
				}
			})
		})
	}
}
