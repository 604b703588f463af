package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/batch"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	// DefaultTable is the name of the table unless Options.Table says otherwise.
	DefaultTable = "nonstick_sessions"
	// DefaultMaxBytes is the largest encoded record that a Store takes: in the worst case, in which every byte has to be
	// escaped, it still fits the max_allowed_packet of 16 MiB with which servers come.
	DefaultMaxBytes = 4 << 20

	// DefaultBatches is how many statements that read are under way at once, unless Options.Batches says otherwise.
	DefaultBatches = batch.DefaultMost

	maxBytesLimit = 1<<24 - 1 // of a MEDIUMBLOB

	// callTime bounds a call whose context has no deadline.
	callTime = time.Second
)

// Options are the settings of a Store. The zero value is ready to use.
type Options struct {
	// Table is the name of the table; default DefaultTable. It is at most 60 lower-case letters, digits and underscores,
	// and begins with a letter. Stores with different tables do not see each other's sessions.
	Table string
	// MaxBytes is the largest encoded record that is taken, in bytes; a larger one is session.ErrTooLarge. The default
	// is DefaultMaxBytes, the maximum 16777215, what a MEDIUMBLOB holds. The server's max_allowed_packet may be less.
	MaxBytes int
	// Batches is how many statements that read may be under way at once; default DefaultBatches. Negative: each read has a statement
	// of its own. See the package documentation.
	Batches int
	// NoCreate keeps the Store from making its table: somebody else does, with what Schema returns.
	NoCreate bool
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent
// use. Close closes the connections if the Store was opened from a URL; every call after it is session.ErrClosed.
type Store struct {
	db       *sql.DB
	owned    bool // db is ours to close
	sql      *statements
	maxBytes int
	noCreate bool
	batches  *batch.Batches[*reading] // nil if each read is made by itself
	large    large

	closed atomic.Bool

	ready    atomic.Bool   // the table was there
	preparer chan struct{} // held by who looks for it
	gate     *backoff.Gate // closed if the table cannot be used
	packet   atomic.Int64  // max_allowed_packet of the server

	inspected atomic.Bool
}

// New returns a Store that uses db; nil opts mean the zero value. The pool stays the caller's to close. Its driver must be
// that of MySQL, github.com/go-sql-driver/mysql, or a wrapper of it.
//
// On such a pool no statement is kept prepared, as a Store of a URL does on its own, which is faster. The DSN should have
// interpolateParams=true, or each call takes two more round trips; timeout, readTimeout and
// writeTimeout, shorter than the session.Manager's budgets; innodb_lock_wait_timeout=1 and rejectReadOnly=true. The pool
// should be bounded (SetMaxOpenConns, and SetMaxIdleConns with the same number) and use no connection for longer than five
// minutes (SetConnMaxLifetime). A Store does not depend on any of that to be right: clientFoundRows, parseTime, the
// collation, the time zone and the sql_mode may be what they are, and a call without a deadline ends after a second.
func New(db *sql.DB, opts *Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("mysqlstore: the database is nil")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	s, err := newStore(db, o)
	if err != nil {
		return nil, fmt.Errorf("mysqlstore: %w", err)
	}
	return s, nil
}

func newStore(db *sql.DB, o Options) (*Store, error) {
	table, err := checkTable(o.Table)
	if err != nil {
		return nil, err
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxBytes < 0 || o.MaxBytes > maxBytesLimit {
		return nil, fmt.Errorf("Options.MaxBytes must be between 1 and %d", maxBytesLimit)
	}
	s := &Store{
		db: db, sql: newStatements(table), maxBytes: o.MaxBytes, noCreate: o.NoCreate,
		preparer: make(chan struct{}, 1), gate: newGate(),
	}
	s.batches = batch.New(o.Batches, s.readOne, s.readAll)
	return s, nil
}

// Close ends the Store: calls that are under way go on until their contexts end. Closing twice does no harm.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if !s.owned {
		return nil
	}
	return s.db.Close()
}

// begin is what every call begins with: it returns a context that ends in time, and sees to it that the table is there.
func (s *Store) begin(ctx context.Context) (context.Context, func(), error) {
	if s.closed.Load() {
		return ctx, func() {}, session.ErrClosed
	}
	ctx, end := bounded(ctx)
	if s.ready.Load() {
		return ctx, end, nil
	}
	if err := s.prepare(ctx); err != nil {
		end()
		return ctx, func() {}, err
	}
	return ctx, end, nil
}

// bounded returns a context that has a deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok { // as those of a session.Manager have
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTime)
}
