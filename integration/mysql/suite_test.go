// Package mysql_test tests the backend for MySQL on real servers.
package mysql_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The whole suite on each server, by each way to it.
func TestSuite(t *testing.T) {
	for _, server := range servers.AllMariaDB() {
		t.Run(string(server), func(t *testing.T) { // one after another: the suite has cases about milliseconds
			m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
			secure := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server, Mutual: true})
			for name, c := range map[string]struct {
				m     *servers.MariaDB
				url   string
				table string
			}{
				"tcp":  {m, m.URL(), mysqlstore.DefaultTable},
				"unix": {m, m.UnixURL(), "other"},
				"tls":  {secure, withParams(t, secure.URL(), "pool_size=4"), mysqlstore.DefaultTable}, // handshakes are slow under the race detector
			} {
				t.Run(name, func(t *testing.T) {
					sessiontest.Run(t, harness(c.m, withParams(t, c.url, patient+"&table="+c.table), c.table))
				})
			}
			t.Run("pool of the program", func(t *testing.T) { testSuiteNew(t, m) })
		})
	}
}

// A pool that the program has made, with none of the settings that are recommended.
func testSuiteNew(t *testing.T, m *servers.MariaDB) {
	d := mysql.NewConfig()
	d.User, d.Passwd, d.Net, d.Addr, d.DBName = servers.MariaDBUser, servers.MariaDBPassword, "tcp", m.Addr(), servers.MariaDBDatabase
	d.ParseTime = true
	d.Params = map[string]string{"time_zone": "'-07:30'", "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES'"}
	d.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(d)
	must(t, "NewConnector", err)
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(32)
	t.Cleanup(func() { _ = db.Close() })
	h := harness(m, "", mysqlstore.DefaultTable)
	h.Open = func(context.Context) (session.Handler, error) { return mysqlstore.New(db, nil) }
	sessiontest.Run(t, h)
}

// harness describes a Store at url, which is on m.
func harness(m *servers.MariaDB, url, table string) sessiontest.Harness {
	return sessiontest.Harness{
		Open:     opener(url),
		Toucher:  true,
		Locker:   true,
		Pinger:   true,
		Closer:   true,
		TooLarge: mysqlstore.DefaultMaxBytes,
		Broken:   opener("mysql://nobody@127.0.0.1:1/none"), // nobody listens there
		Garble: func(ctx context.Context, id session.ID) error {
			_, err := m.Admin().ExecContext(ctx, "UPDATE sessions."+table+" SET record = 'not a record' WHERE id = ?", id[:])
			return err
		},
	}
}
