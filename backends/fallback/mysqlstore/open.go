package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/session"
)

// name is how errors tell backends apart.
const name = "github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"

func init() {
	for _, scheme := range schemes() {
		session.Register(scheme, name, open)
	}
}

func schemes() []string { return []string{"mysql", "mysqls", "mysql+unix"} }

// Open opens the Store of a URL, as session.Open does.
func Open(rawURL string) (*Store, error) {
	var m session.Mux
	for _, scheme := range schemes() {
		m.Register(scheme, name, open)
	}
	h, err := m.Open(context.Background(), rawURL)
	if err != nil {
		return nil, err
	}
	return h.(*Store), nil
}

// connLife is how long a connection is used: after a change of addresses, all are new ones by then.
const connLife = 4 * time.Minute

func open(_ context.Context, u *url.URL) (session.Handler, error) {
	c, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	inner, err := mysql.NewConnector(c.driver())
	if err != nil {
		return nil, err
	}
	own := &connector{Connector: inner, gate: newGate()}
	db := sql.OpenDB(own)
	db.SetMaxOpenConns(c.poolSize)
	db.SetMaxIdleConns(c.poolSize)
	db.SetConnMaxLifetime(connLife)
	s, err := newStore(db, c.options)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	own.often = s.sql.often()
	s.owned = true
	return s, nil
}

// connector makes connections, and leaves a server alone for a while that refuses this program.
type connector struct {
	driver.Connector

	gate  *backoff.Gate
	often map[string]bool // see conn
}

// newGate returns a gate that is closed by what only an operator can mend.
func newGate() *backoff.Gate {
	return backoff.New(func(err error) bool { return errors.Is(err, session.ErrMisconfigured) })
}

// Connect implements driver.Connector. Its errors are those of the contract.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.gate.Attempt(); err != nil {
		return nil, err
	}
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		err = translate(ctx, err)
	}
	c.gate.Note(err)
	if inner, ok := made.(driverConn); ok {
		return &conn{driverConn: inner, often: c.often, stmts: make(map[string]statement)}, err
	}
	return made, err
}
