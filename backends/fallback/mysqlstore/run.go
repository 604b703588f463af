package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/core/session"
)

// The errors of a server that a Store does something about.
const (
	lockWaitTimeout = 1205
	deadlock        = 1213
	noSuchTable     = 1146
	duplicateKey    = 1062
)

// exec runs a statement that changes rows and returns how many.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = s.twice(ctx, func() error {
		result, err := s.db.ExecContext(ctx, statement, args...)
		if err == nil {
			rows, err = result.RowsAffected()
		}
		return err
	})
	return rows, err
}

// queryRow runs a statement that returns a row, or else sql.ErrNoRows.
func (s *Store) queryRow(ctx context.Context, statement string, args []any, to ...any) error {
	return s.twice(ctx, func() error { return s.db.QueryRowContext(ctx, statement, args...).Scan(to...) })
}

// twice runs do, and once more if the server has chosen it as the victim of a deadlock or ended its wait for a row: both undo
// the statement. Nothing else is repeated here.
func (s *Store) twice(ctx context.Context, do func() error) error {
	begin := time.Now()
	err := do()
	if n := number(err); n == deadlock || n == lockWaitTimeout {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > time.Since(begin) {
			err = do()
		}
	}
	return s.failed(ctx, err)
}

// number is that of an error of the server, else 0.
func number(err error) uint16 {
	if fromServer, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return fromServer.Number
	}
	return 0
}

// errExists says that there is a row with the id.
var errExists = errors.New("duplicate key")

// failed turns the error of a statement into one of the contract. sql.ErrNoRows and errExists are answers.
func (s *Store) failed(ctx context.Context, err error) error {
	switch n := number(err); {
	case err == nil, errors.Is(err, sql.ErrNoRows):
		return err
	case n == duplicateKey:
		return errExists
	case n == noSuchTable:
		s.ready.Store(false) // the next call looks for it, and may make it
	case s.closed.Load() && n == 0:
		return session.ErrClosed
	}
	return translate(ctx, err)
}
