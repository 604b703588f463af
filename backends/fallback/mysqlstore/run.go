package mysqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
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

// get runs a statement that visitors wait for. It puts the row into what to points at, or returns sql.ErrNoRows.
//
// It asks the driver itself: the rows of database/sql start a goroutine each, and convert by reflection. What the driver does not
// take, or has not done, database/sql runs, on another connection if need be.
func (s *Store) get(ctx context.Context, text string, args []any, to ...any) error {
	return s.twice(ctx, func() error {
		err := s.ask(ctx, text, args, func(rows driver.Rows) error { return next(rows, to) })
		if errors.Is(err, driver.ErrBadConn) || errors.Is(err, driver.ErrSkip) {
			err = s.db.QueryRowContext(ctx, text, args...).Scan(to...)
		}
		return err
	})
}

// ask runs a statement by a connection of the driver's. take reads the rows.
func (s *Store) ask(ctx context.Context, text string, args []any, take func(driver.Rows) error) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Raw(func(c any) error {
		q, ok := c.(driver.QueryerContext)
		if !ok {
			return driver.ErrSkip
		}
		values := make([]driver.NamedValue, len(args))
		for i, arg := range args {
			values[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
		}
		rows, err := q.QueryContext(ctx, text, values)
		if err != nil {
			return err
		}
		err = take(rows)
		if closed := rows.Close(); err == nil {
			err = closed
		}
		return err
	})
}

// next keeps the values of the next row, or returns sql.ErrNoRows. Bytes are the driver's until the row after it is read, and are
// copied but for sql.RawBytes.
func next(rows driver.Rows, to []any) error {
	values := make([]driver.Value, len(to))
	err := rows.Next(values)
	if errors.Is(err, io.EOF) {
		return sql.ErrNoRows
	}
	for i := 0; err == nil && i < len(to); i++ {
		err = keep(to[i], values[i])
	}
	return err
}

// keep is what database/sql does with the types that there are. Any others are not what the driver makes.
func keep(to any, value driver.Value) error {
	switch to := to.(type) {
	case *[]byte:
		if b, ok := value.([]byte); ok || value == nil {
			*to = bytes.Clone(b)
			return nil
		}
	case *sql.RawBytes:
		if b, ok := value.([]byte); ok || value == nil {
			*to = b
			return nil
		}
	case *int64:
		if n, ok := value.(int64); ok {
			*to = n
			return nil
		}
	case *uint64:
		switch n := value.(type) {
		case uint64:
			*to = n
			return nil
		case int64:
			*to = uint64(n)
			return nil
		}
	}
	return driver.ErrSkip
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
