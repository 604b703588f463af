package sessiontest

import (
	"context"
	"fmt"
	"sync"

	"github.com/nonstick-go/nonstick/core/session"
)

// Fail is a fault for Before and After: the store is unavailable.
func Fail(context.Context) error {
	return fmt.Errorf("%w: a fault made by a test", session.ErrUnavailable)
}

// Gate is a fault for Before and After: calls wait in front of it.
type Gate struct {
	arrived, opened sync.Once
	arrival, open   chan struct{}
}

// NewGate returns a closed gate.
func NewGate() *Gate { return &Gate{arrival: make(chan struct{}), open: make(chan struct{})} }

// Wait blocks until the gate is open and returns nil, or until ctx ends and returns session.ErrUnavailable.
func (g *Gate) Wait(ctx context.Context) error {
	g.arrived.Do(func() { close(g.arrival) })
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
	}
}

// Arrived is closed when the first call has arrived at the gate.
func (g *Gate) Arrived() <-chan struct{} { return g.arrival }

// Open lets all calls through, those that wait and later ones. Opening it again has no effect.
func (g *Gate) Open() { g.opened.Do(func() { close(g.open) }) }
