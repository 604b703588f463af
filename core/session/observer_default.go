package session

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Silent is an Observer that says nothing.
type Silent struct{}

// Observe does nothing.
func (Silent) Observe(context.Context, Event) {}

// warner is the default Observer: what goes wrong is worth a log line, even to those who have not heard of Observers. It
// logs warnings and errors, each kind at most once a second: a store that is down fails every request.
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
	now, what := time.Now(), warning{e.Kind, e.Op}
	w.mu.Lock()
	quiet := now.Sub(w.last[what]) < time.Second
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
