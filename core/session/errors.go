package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What can go wrong. Use errors.Is; what a function returns is usually wrapped in an *Error, with its cause.
var (
	// ErrNotFound says that the store has no such session: it never existed, or it expired or was destroyed. From a
	// commit it says that the session ended while the request was running, so its changes were refused.
	ErrNotFound = errors.New("session not found")
	// ErrExists is a Handler's answer to the creation of a session whose id is taken.
	ErrExists = errors.New("session exists already")
	// ErrConflict says that somebody else changed the session and this change could not be laid over theirs.
	ErrConflict = errors.New("session was changed by another request")
	// ErrUnavailable says that the store could not be asked, or gave no usable answer. It never means that the
	// session is absent.
	ErrUnavailable = errors.New("session store unavailable")
	// ErrMisconfigured comes with ErrUnavailable and says that time will not mend it: the store refuses this program, for its
	// password, its certificate or a missing permission, say. Such a call is not repeated.
	ErrMisconfigured = errors.New("misconfigured")
	// ErrTooLarge says that the session exceeds Options.MaxBytes or what the store takes. The stored data is intact.
	ErrTooLarge = errors.New("session too large")
	// ErrCorrupt says that what is stored, or a value in it, cannot be decoded.
	ErrCorrupt = errors.New("session data corrupt")
	// ErrClosed says that the Manager or the store was closed.
	ErrClosed = errors.New("session store closed")
	// ErrLocked says that the lock of a session could not be had: too many wait for it, or its holder has kept it for
	// longer than this request would wait. It comes as a *LockedError.
	ErrLocked = errors.New("session is locked by another request")
	// ErrLockLost says that somebody else has taken the lock of an Exclusive session, because its lease had ended. What the
	// former holder wanted to store is refused.
	ErrLockLost = errors.New("session lock was lost to another request")
	// ErrRestarted is an Incarnated Handler's answer when its server has restarted, or another one has taken its place.
	ErrRestarted = errors.New("session store has restarted")
	// ErrReadOnly says that a session that was asked for with ReadOnly was to be changed.
	ErrReadOnly = errors.New("session is read-only in this request")
	// ErrCommitted says that a session was to be changed, or first asked for, after its commit, which happens before the first
	// byte of the response leaves.
	ErrCommitted = errors.New("session is committed already: use it before the response starts")
	// ErrNoMiddleware says that the context carries no session of this Manager.
	ErrNoMiddleware = errors.New("no session in this context: is the middleware on this route, and is it this manager's? (gin and fiber: use the adapter's Get)")
)

// Error is what the functions of this package return: the operation that failed and why. Its text holds no id, no
// URL and no credential.
type Error struct {
	Op  string // what was attempted: "read", "commit", "destroy", "set", ...
	Err error
}

// Error returns the operation and the cause in one line.
func (e *Error) Error() string { return "session: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// ConflictError is ErrConflict, or ErrExists for a creation, together with the record that is stored.
type ConflictError struct {
	Err    error  // ErrConflict or ErrExists
	Newest Record // what is stored; it belongs to the caller
}

// Error returns the text of the sentinel.
func (e *ConflictError) Error() string { return e.Err.Error() }

// Unwrap returns ErrConflict or ErrExists.
func (e *ConflictError) Unwrap() error { return e.Err }

// LockedError is ErrLocked, and who has the lock. Its text is for logs: it holds the method and the path of the other
// request, which the visitor should not see.
type LockedError struct {
	Holder Holder        // who has the lock, as far as is known
	Waited time.Duration // in vain
	Err    error         // why the wait ended: too many wait, MaxWait has passed, or the error of the request's context
}

// Error returns the cause and the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("%v: %v (held by %v)", ErrLocked, e.Err, e.Holder)
}

// Unwrap returns ErrLocked and Err.
func (e *LockedError) Unwrap() []error { return []error{ErrLocked, e.Err} }

var errWaited = errors.New("waited for as long as this request may")

func errTooMany(waiters, limit int) error {
	return fmt.Errorf("%d requests of this node wait for it already, the limit is %d", waiters, limit)
}

// StatusCode is the HTTP status that fits an error of this package:
//
//   - 503 Service Unavailable when the store gave no answer, the session is locked, or somebody else was always faster:
//     trying again may help;
//   - 409 Conflict when the session ended while the request was running, or when its subject has too many;
//   - 403 Forbidden when robots get no session, and the visitor is one;
//   - 500 Internal Server Error when the program itself is wrong: too large, cannot be encoded, used at the wrong time.
//
// It is 200 for nil.
func StatusCode(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrConflict), errors.Is(err, ErrClosed),
		errors.Is(err, ErrLocked), errors.Is(err, ErrLockLost), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrTooManySessions):
		return http.StatusConflict
	case errors.Is(err, ErrBot):
		return http.StatusForbidden
	default:
		return http.StatusInternalServerError
	}
}

// wrap gives err its operation, once.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Op: op, Err: err}
}

// answered reports whether err is the answer that sentinel stands for. A store that joins the errors of several tiers may
// say absent and unavailable at once: that is unavailable.
func answered(err, sentinel error) bool {
	return errors.Is(err, sentinel) && !errors.Is(err, ErrUnavailable)
}

// withoutRecord drops the record that comes with a conflict, which may be another visitor's.
func withoutRecord(err error) error {
	if c, ok := errors.AsType[*ConflictError](err); ok {
		return c.Err
	}
	return err
}

// known reports whether err is one of the answers that the contract knows. Anything else a Handler returns counts as
// ErrUnavailable: an unforeseen error must never open or empty a session.
func known(err error) bool {
	for _, sentinel := range []error{
		ErrNotFound, ErrExists, ErrConflict, ErrLocked, ErrLockLost, ErrUnavailable, ErrTooLarge, ErrCorrupt, ErrClosed,
		errors.ErrUnsupported,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}
