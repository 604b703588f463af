package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// Observer hears what happens to sessions, to log or to count it. Observe is called on the request's goroutine, by many
// at once, and some events come while the session is locked: it must be quick and must not use the session.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// EventKind tells Events apart (ASVS 16.3.1, 16.3.3, 16.3.4).
type EventKind uint8

// The kinds of Event.
const (
	EventLoaded      EventKind = iota + 1 // a session was read
	EventUnknown                          // a well-formed token names no live session: expired, ended, or made up
	EventMalformed                        // a token with wrong syntax was refused before any store call
	EventExpired                          // a session was found past its deadline and refused
	EventCreated                          // a new session was stored
	EventSaved                            // a changed session was stored
	EventTouched                          // a session was kept alive without a change
	EventConflict                         // somebody else changed the session first; the changes are merged and tried again
	EventMerged                           // changes of this request were laid over those of another and stored
	EventOverwritten                      // the merge replaced a value that this request had read and another had changed: Key
	EventRefused                          // the session ended while the request ran; its late changes were refused
	EventRenewed                          // the session has a new id, the old one is dead
	EventDestroyed                        // the session was ended by the application
	EventUndecodable                      // a record or a value (Key) could not be decoded
	EventMisused                          // the program used a session after its commit: Err, Key
	EventFailed                           // the store failed, or a commit did: Op and Err
	EventLocked                           // an Exclusive session was locked: Wait
	EventUnlocked                         // its lock was released: Held
	EventLockRefused                      // a lock could not be had: Err, a *LockedError, and Wait
	EventLockBroken                       // a lock was taken over whose lease had ended: Holder is who had it
	EventLockLost                         // another request has taken the lock, or may have: Op and Err
	EventForged                           // a token with a wrong or missing code was refused before any store call; see TokenMAC
	EventBot                              // the visitor was found to be a robot
	EventMoved                            // a session is used from elsewhere: Op is "address", "user agent", or both with "and"
)

var eventNames = [...]string{
	"", "loaded", "unknown", "malformed", "expired", "created", "saved", "touched", "conflict", "merged", "overwritten",
	"refused", "renewed", "destroyed", "undecodable", "misused", "failed",
	"locked", "unlocked", "lock-refused", "lock-broken", "lock-lost",
	"forged", "bot", "moved",
}

// String returns the kind in one word, fit for a metric's label.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return ""
}

// Event is something that happened to a session.
type Event struct {
	Kind  EventKind
	Op    string // of EventFailed and EventLockLost: "read", "lock", "commit", "destroy", "gc", "extend", "release"
	Key   string // the key it is about, if it is about one
	Tries int    // of EventConflict and EventMerged: writes that were refused so far
	// Err is what went wrong. This package and its backends put no id, URL or value into it; the text of a backend of
	// your own appears as it is.
	Err error

	Wait   time.Duration // for a lock
	Held   time.Duration // since a lock was taken
	Holder Holder        // of EventLockBroken

	id     ID
	logKey []byte
}

// Session returns a short keyed hash of the session's id, by which events of one session can be found in a log without
// the log giving the id away (ASVS 16.2.5), or "" if the event is about no session. See Options.LogKey.
func (e Event) Session() string {
	if e.id.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, e.logKey)
	mac.Write(e.id[:])
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

// Format writes what a log should know of the event, and nothing else of it.
func (e Event) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, e.LogValue()) }

// LogValue returns the attributes that SlogObserver logs, and the kind.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.String("kind", e.Kind.String())}, e.attrs()...)...)
}

func (e Event) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 5)
	if id := e.Session(); id != "" {
		attrs = append(attrs, slog.String("session", id))
	}
	if e.Op != "" {
		attrs = append(attrs, slog.String("op", e.Op))
	}
	if e.Key != "" {
		attrs = append(attrs, slog.String("key", e.Key))
	}
	if e.Tries > 0 {
		attrs = append(attrs, slog.Int("tries", e.Tries))
	}
	if e.Wait > 0 {
		attrs = append(attrs, slog.Duration("wait", e.Wait))
	}
	if e.Held > 0 {
		attrs = append(attrs, slog.Duration("held", e.Held))
	}
	if e.Holder != (Holder{}) {
		attrs = append(attrs, slog.String("holder", e.Holder.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	return attrs
}

// SlogObserver logs events: failures as errors, what deserves attention as warnings, the life of sessions as
// information, loads, saves and touches for debugging. A nil Logger means slog.Default().
type SlogObserver struct{ Logger *slog.Logger }

// Observe logs one event.
func (o SlogObserver) Observe(ctx context.Context, e Event) {
	logger := o.Logger
	if logger == nil {
		logger = slog.Default()
	}
	level := levelOf(e.Kind)
	if !logger.Enabled(ctx, level) {
		return
	}
	logger.LogAttrs(ctx, level, "session "+e.Kind.String(), e.attrs()...)
}

func levelOf(k EventKind) slog.Level {
	switch k {
	case EventFailed, EventLockLost:
		return slog.LevelError
	case EventOverwritten, EventRefused, EventUndecodable, EventMisused, EventLockRefused, EventLockBroken, EventMoved:
		return slog.LevelWarn
	case EventCreated, EventRenewed, EventDestroyed, EventExpired:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
