package fallback

import "log/slog"

// event is a change that an operator wants to know of.
type event struct {
	kind  eventKind
	store string // eventDown, eventUp
	err   error  // eventDown
	past  int    // eventState: how many nodes write past the cache
}

type eventKind int

const (
	eventDown eventKind = iota
	eventUp
	eventState
)

// log writes a line.
func (ev event) log(logger *slog.Logger) {
	switch {
	case ev.kind == eventDown:
		logger.Warn("session fallback: a store does not answer and is not asked until it does", "store", ev.store, "error", ev.err)
	case ev.kind == eventUp:
		logger.Info("session fallback: a store answers again", "store", ev.store)
	case ev.past > 0:
		logger.Warn("session fallback: sessions are read from the durable store, as not all nodes reach the fast one", "nodes", ev.past)
	default:
		logger.Info("session fallback: sessions are read from the fast store")
	}
}
