package fallback

import (
	"context"
	"log/slog"
)

// Event is a change that an operator wants to know of. It is never about one session or one request.
type Event struct {
	Kind EventKind
	// Store is which one, "fast" or "durable", of EventDown and EventUp.
	Store string
	// Err is why, of EventDown. It shows no id, URL or credential.
	Err error
	// Past is how many nodes store sessions without the fast store, of EventPast.
	Past int
}

// EventKind tells Events apart.
type EventKind uint8

// The kinds of Event.
const (
	EventDown        EventKind = iota + 1 // a store has failed three calls in a row, or a probe: it is not asked any more
	EventUp                               // it has answered three probes in a row
	EventPast                             // the fast store is not relied on, because some node does not reach it or it has lost something
	EventBelieved                         // it is
	EventBranched                         // the first session was changed without the store that has them: the durable one, in Standby the fast one
	EventCarriedBack                      // that store knows of all of them
	EventDeadLetter                       // a record has lost something to a merge
)

// String returns the kind in one word, fit for a metric's label.
func (k EventKind) String() string {
	names := [...]string{"", "down", "up", "past", "believed", "branched", "carried-back", "dead-letter"}
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

// log writes a line.
func (ev Event) log(logger *slog.Logger) {
	switch ev.Kind {
	case EventDown:
		logger.Warn("session fallback: a store does not answer and is not asked until it does", "store", ev.Store, "error", ev.Err)
	case EventUp:
		logger.Info("session fallback: a store answers again", "store", ev.Store)
	case EventPast:
		logger.Warn("session fallback: the fast store is not relied on, because some node does not reach it or it has lost something", "nodes", ev.Past)
	case EventBelieved:
		logger.Info("session fallback: the fast store is relied on")
	case EventBranched:
		logger.Warn("session fallback: sessions are changed without the store that has them")
	case EventCarriedBack:
		logger.Info("session fallback: the store that has the sessions knows of all changes again")
	case EventDeadLetter:
		logger.Warn("session fallback: several nodes have changed the same value without the stores, and one change is kept as a dead letter")
	}
}

// eventsMost is how many events may wait for those who hear them.
const eventsMost = 256

// report passes an event on. It never waits, because locks may be held.
func (s *Store) report(ev Event) {
	select {
	case s.events <- ev:
	default: // whoever hears them is stuck
	}
}

// tellEvents logs events, and tells the observer, until ctx has ended and none is left.
func (s *Store) tellEvents(ctx context.Context, logger *slog.Logger, observe func(Event)) {
	tell := func(ev Event) {
		ev.log(logger)
		if observe != nil {
			observe(ev)
		}
	}
	for ended := false; ; {
		select {
		case ev := <-s.events:
			tell(ev)
			continue
		default:
		}
		if ended {
			return
		}
		select {
		case ev := <-s.events:
			tell(ev)
		case <-ctx.Done():
			ended = true
		}
	}
}
