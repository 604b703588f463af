package session

import (
	"context"
	"iter"
)

// Handler stores sessions. It is the contract between this package and a backend, and has the four verbs of PHP's
// save handlers, made safe for many servers: read, write, destroy, gc.
//
// Rules for every method:
//
//   - Methods are safe for concurrent use by many goroutines, and a store may be shared by many processes.
//   - A method returns promptly when ctx ends. It never outlives its caller by more than the time one system call takes.
//   - A Handler neither keeps nor aliases a byte slice that it was given, and what it returns is the caller's to keep
//     and to change.
//   - A store that cannot be reached, refuses, or answers nonsense is ErrUnavailable, wrapped together with its cause:
//     fmt.Errorf("%w: %w", ErrUnavailable, cause). Unavailable is never absent: ErrNotFound is returned only when the
//     store answered and has no such session. A refusal that only an operator can end is ErrMisconfigured as well.
//   - Errors name no id, no URL, no credential.
//   - Each method is idempotent: the Manager may repeat a call whose reply was lost.
//   - After Close (if the Handler is an io.Closer) every method returns ErrClosed.
//
// Package sessiontest turns these rules into tests; run them against every Handler.
type Handler interface {
	// Read returns the record stored under id. The error is ErrNotFound when the session is absent, expired or
	// destroyed, and ErrCorrupt when something is there that is not a Record.
	Read(ctx context.Context, id ID) (Record, error)

	// Write stores rec under id in one atomic step. prev tells what the caller believes to be stored:
	//
	//   - The stored version is rec.Version already: this very write was applied before and only its reply was lost.
	//     Write returns nil and changes nothing.
	//   - prev is zero, a creation: nothing may be stored under id, else ErrExists.
	//   - prev is set, a change: a record must be alive under id and have exactly that version. Nothing alive is
	//     ErrNotFound, another version is ErrConflict.
	//
	// So a late write can neither bring a destroyed session back nor overwrite what somebody else has stored. When a
	// write is refused the stored record stays as it is. A Handler that has the winning record at hand returns it in
	// a *ConflictError, which saves the caller a read.
	//
	// The store forgets the record by itself at rec.Deadline, at the latest when GC runs. A record whose deadline has
	// passed is not stored: Write returns ErrNotFound. A record that is too large for the store is ErrTooLarge, and
	// what was stored before stays intact.
	Write(ctx context.Context, id ID, rec Record, prev Version) error

	// Destroy removes the session. From its return on, Read under id is ErrNotFound, and a Write that expects the
	// session to exist is ErrNotFound. A session that is not there is no error.
	Destroy(ctx context.Context, id ID) error

	// GC removes up to limit expired sessions and tells how many it removed. It bounds its work, so it may find fewer than
	// there are; the next call goes on where it stopped. After fewer than limit the caller may rest. Several processes
	// may run it at once. A store that expires by itself returns 0, nil.
	GC(ctx context.Context, limit int) (removed int, err error)
}

// Toucher is an optional capability of a Handler: to keep a session alive without rewriting its data.
//
// Without it the Manager keeps a session alive by writing the record again under a new version, which costs the
// transfer of the whole record.
type Toucher interface {
	// Touch sets rec.Seen and the deadline that follows from it on the stored record, provided that its version is
	// rec.Version. A record that has another version by now was kept alive by whoever wrote it: Touch returns nil and
	// changes nothing, and so does a Seen before that of an earlier touch. Nothing alive under id is ErrNotFound: a touch never brings a session back. rec.Payload is
	// not looked at.
	Touch(ctx context.Context, id ID, rec Record) error
}

// ReplicaReader is an optional capability of a Handler: to read from copies that may lag behind, in order to spare the
// master. The Manager uses it for requests with ReadOnly, and for no others: who asks again without gets what Read returns.
type ReplicaReader interface {
	// ReadReplica is Read from a copy that is at most as old as the Handler's documentation says. No error of it says
	// anything about the session: the Manager then calls Read, and calls it too when the copy has ended or was renewed.
	// So ReadReplica leaves enough of the time until the deadline of ctx. It is errors.ErrUnsupported where there are
	// no copies.
	ReadReplica(ctx context.Context, id ID) (Record, error)
}

// Incarnated is an optional capability of a Handler whose servers can go back in time: one that restarts with an older
// snapshot, or a copy that lagged and takes the master's place, has lost what was acknowledged since. It lets the very read
// that would be wrong find out.
type Incarnated interface {
	// Begin makes every server that the store consists of now remember name, in its memory alone: no restart keeps it, and
	// no copy of the server has it.
	Begin(ctx context.Context, name string) error
	// ReadSince is Read, provided that the server which answers has run since Begin with that name, else ErrRestarted.
	ReadSince(ctx context.Context, name string, id ID) (Record, error)
}

// Lister is an optional capability of a Handler: to find all sessions.
type Lister interface {
	// List yields the ID of each stored session, in no order, among them perhaps some that have expired. One that is
	// created or ends meanwhile may be there or not. After an error it ends.
	List(ctx context.Context) iter.Seq2[ID, error]
}

// Pinger is an optional capability of a Handler: to prove that the store would serve a session now.
//
// Without it, the Manager's Ping reads a session that cannot exist.
type Pinger interface {
	// Ping returns nil if reads and writes work, else ErrUnavailable with its cause.
	Ping(ctx context.Context) error
}
