package mysqlstore

import (
	"context"
	"database/sql/driver"
)

// The errors of a server, or of a proxy, that does not know a prepared statement any more, and so has not run it.
const (
	unknownStatement = 1243
	needsReprepare   = 1615
)

// driverConn is what a connection of the driver can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// statement is one that the driver has prepared.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// conn is a connection of a Store's own pool. It prepares what visitors wait for, when it is asked for it a second time: a
// connection that is used once takes no more trips, and no statement of the server. What cannot be prepared is sent as text, as
// on a pool of the program's.
type conn struct {
	driverConn

	often map[string]bool      // what is worth it
	stmts map[string]statement // nil for what was sent as text once
	plain bool                 // prepare no more
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		rows, err := stmt.QueryContext(ctx, args)
		if !c.forgotten(err) {
			return rows, err
		}
	}
	return c.driverConn.QueryContext(ctx, text, args)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		result, err := stmt.ExecContext(ctx, args)
		if !c.forgotten(err) {
			return result, err
		}
	}
	return c.driverConn.ExecContext(ctx, text, args)
}

// prepared returns a statement, or nil if it is to be sent as text. A server that refuses to prepare (it has too many already,
// or is a proxy that cannot) is not asked again by this connection; if it was for another reason, the text tells.
func (c *conn) prepared(ctx context.Context, text string) (statement, error) {
	if c.plain || !c.often[text] {
		return nil, nil
	}
	stmt, again := c.stmts[text]
	if stmt != nil {
		return stmt, nil
	}
	if !again {
		c.stmts[text] = nil
		return nil, nil
	}
	made, err := c.PrepareContext(ctx, text)
	if number(err) != 0 {
		c.plain = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	stmt, _ = made.(statement) // as those of the driver are
	c.stmts[text] = stmt
	return stmt, nil
}

// forgotten reports whether the server has not run a statement because it does not know it any more. Then this connection sends
// texts for the rest of its life.
func (c *conn) forgotten(err error) bool {
	if n := number(err); n != unknownStatement && n != needsReprepare {
		return false
	}
	c.plain = true
	return true
}
