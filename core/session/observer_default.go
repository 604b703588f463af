package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Silent is an Observer that says nothing.
type Silent struct{}

// Observe does nothing.
func (Silent) Observe(context.Context, Event) {}

// warner is the default Observer: what goes wrong is worth a log line, even to those who have not heard of Observers. It
// logs warnings and errors, each kind at most once a second: a store that is down fails every request. A mistake in the
// configuration fails them all in the same way until somebody comes, and is one line every ten seconds.
type warner struct {
	mu   sync.Mutex
	last map[warning]time.Time
}

type warning struct {
	kind EventKind
	op   string
}

func (w *warner) Observe(ctx context.Context, e Event) {
	if levelOf(e.Kind) < slog.LevelWarn {
		return
	}
	now, what, pause := time.Now(), warning{e.Kind, e.Op}, time.Second
	if errors.Is(e.Err, ErrMisconfigured) {
		what, pause = warning{}, 10*time.Second
	}
	w.mu.Lock()
	quiet := now.Sub(w.last[what]) < pause
	if !quiet {
		if w.last == nil {
			w.last = make(map[warning]time.Time)
		}
		w.last[what] = now
	}
	w.mu.Unlock()
	if !quiet {
		SlogObserver{}.Observe(ctx, e)
	}
}
