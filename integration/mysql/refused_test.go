package mysql_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// expectRefusal fails if err is not what a refusal should be, or shows too much.
func expectRefusal(t *testing.T, what string, err error, misconfigured bool, want string) {
	t.Helper()
	if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrMisconfigured) != misconfigured || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want %q, misconfigured %v", what, err, want, misconfigured)
		return
	}
	for _, secret := range []string{"127.0.0.1", servers.MariaDBUser + "'", "S3CRET", "UPDATE", "INSERT"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows %s: %v", what, secret, err)
		}
	}
}

// What the server refuses is ErrUnavailable, and ErrMisconfigured if only an operator can end it; when that has happened the
// Store goes on.
func TestRefused(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	id := newID()
	var n ticks
	rec := record(n.next(), "payload")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	touch := func() error { return s.Touch(t.Context(), id, rec) }
	for _, c := range []struct {
		name, begin, end string
		misconfigured    bool
		want             string
	}{
		{"read-only", "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", false, "read-only"},
		{"no permission", "REVOKE ALL ON sessions.* FROM web@'%'", "GRANT ALL ON sessions.* TO web@'%'", true, "lacks a permission"},
		{"no table", "RENAME TABLE sessions.nonstick_sessions TO sessions.away", "DROP TABLE sessions.nonstick_sessions; RENAME TABLE sessions.away TO sessions.nonstick_sessions", true, "the table is missing"},
	} {
		m.Exec(c.begin)
		if c.name == "no permission" { // MariaDB looks at those of databases when a connection chooses one
			m.Exec("KILL USER web")
		}
		expectRefusal(t, c.name, touch(), c.misconfigured, c.want)
		if c.name == "no table" {
			eventually(t, "making it anew", func() error { return s.Ping(t.Context()) })
		}
		m.Exec(strings.Split(c.end, "; ")...)
		eventually(t, "after "+c.name, touch)
	}
}

// Logins that cannot succeed are refused with a hint, and tried once a second.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	m.Exec("CREATE USER few@'%' IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS 1", "GRANT ALL ON sessions.* TO few@'%'",
		"CREATE USER locked@'%' IDENTIFIED BY 'locked' ACCOUNT LOCK")
	for name, c := range map[string]struct {
		url  string
		want string
	}{
		"password": {m.UserURL(servers.MariaDBUser, "S3CRET"), "the user or the password is wrong"},
		"user":     {m.UserURL("S3CRET", "S3CRET"), "the user or the password is wrong"},
		"database": {strings.Replace(m.URL(), "/sessions", "/mysql", 1), "lacks a permission"},
		"locked":   {m.UserURL("locked", "locked"), "the account is locked"},
		"tls":      {strings.Replace(m.URL(), "mysql:", "mysqls:", 1), "TLS"},
	} {
		s := open(t, c.url)
		for range 3 {
			_, err := s.Read(t.Context(), newID())
			expectRefusal(t, name, err, true, c.want)
		}
	}

	s := open(t, m.UserURL(servers.MariaDBUser, "S3CRET"))
	before, begin := status(t, m, "Connections"), time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for time.Since(begin) < 1500*time.Millisecond {
				_, err := s.Read(t.Context(), newID())
				expectRefusal(t, "under load", err, true, "wrong")
			}
		})
	}
	wg.Wait()
	if n, most := status(t, m, "Connections")-before, 20+int(time.Since(begin)/time.Second); n > most {
		t.Errorf("%d connections were tried, want at most %d", n, most)
	}

	few, id := open(t, m.UserURL("few", "few")), newID()
	must(t, "create", few.Write(t.Context(), id, record(session.Version{1}, ""), session.Version{}))
	_, err := open(t, m.UserURL("few", "few")).Read(t.Context(), id)
	expectRefusal(t, "too many connections", err, false, "too many connections")
}

// The permissions that the package documentation names suffice, and without them the error says so.
func TestPermissions(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: servers.MariaDB11})
	text, err := mysqlstore.Schema("")
	must(t, "Schema", err)
	m.Exec("CREATE USER least@'%' IDENTIFIED BY 'least'", "GRANT USAGE ON sessions.* TO least@'%'",
		"CREATE TABLE sessions.x (n INT)", "GRANT SELECT ON sessions.x TO least@'%'")
	u := m.UserURL("least", "least")
	expectRefusal(t, "no table", open(t, u).Ping(t.Context()), true, "lacks a permission")
	expectRefusal(t, "no table, create_table=false", open(t, withParams(t, u, "create_table=false")).Ping(t.Context()), true, "the table is missing")
	m.Exec("USE sessions", text, "GRANT SELECT, INSERT, UPDATE ON sessions.nonstick_sessions TO least@'%'")
	expectRefusal(t, "no DELETE", open(t, u).Ping(t.Context()), true, "lacks a permission")
	m.Exec("GRANT DELETE ON sessions.nonstick_sessions TO least@'%'")
	sessiontest.Run(t, harness(m, withParams(t, u, patient), mysqlstore.DefaultTable))
}

// A table of somebody else is left alone, and so is one of a later version.
func TestForeignTable(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	m.Exec("CREATE TABLE sessions.users (id BINARY(32) PRIMARY KEY)",
		"CREATE TABLE sessions.later (id BINARY(32) PRIMARY KEY) COMMENT='nonstick sessions, format 99'")
	for table, want := range map[string]string{"users": "none of this library", "later": "another version"} {
		s := open(t, withParams(t, m.URL(), "table="+table))
		expectRefusal(t, table, s.Destroy(t.Context(), newID()), true, want)
	}
}

// Nodes that start at once make one table, and none of them fails.
func TestSchemaAtOnce(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		for round := range 5 {
			var wg sync.WaitGroup
			for range 8 {
				s := open(t, withParams(t, m.URL(), fmt.Sprint("table=t", round)))
				wg.Go(func() {
					if err := s.Ping(t.Context()); err != nil {
						t.Errorf("%s: %v", server, err)
					}
				})
			}
			wg.Wait()
		}
	}
}

// A new password in the file serves new connections; the old ones go on.
func TestPasswordRotation(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) { must(t, "write", os.WriteFile(file, []byte(password+"\n"), 0o600)) }
	write(servers.MariaDBPassword)
	u, err := url.Parse(m.URL())
	must(t, "parse", err)
	u.User = url.User(servers.MariaDBUser)
	s := open(t, withParams(t, u.String(), "password_file="+file))
	must(t, "Ping", s.Ping(t.Context()))
	m.Exec("SET PASSWORD FOR web@'%' = PASSWORD('S3CRET')")
	must(t, "Ping by an old connection", s.Ping(t.Context()))
	m.Exec("KILL USER web")
	var refused error
	eventually(t, "being refused", func() error {
		if refused = s.Ping(t.Context()); refused == nil || !errors.Is(refused, session.ErrMisconfigured) {
			return fmt.Errorf("got error %v", refused)
		}
		return nil
	})
	expectRefusal(t, "the old password", refused, true, "wrong")
	write("S3CRET")
	eventually(t, "Ping with the new password", func() error { return s.Ping(t.Context()) })
}

// What is too large for the server is refused before it is sent, or by the server, and what was stored stays.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, &servers.MariaDBOptions{Config: []string{"--max-allowed-packet=1M"}})
	s, early := open(t, m.URL()), open(t, m.URL())
	id := newID()
	var n ticks
	rec := record(n.next(), "small")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	must(t, "Ping", early.Ping(t.Context()))
	for name, payload := range map[string]string{"plain": strings.Repeat("x", 1<<20), "to be escaped": strings.Repeat("\x00", 600_000)} {
		if err := s.Write(t.Context(), id, record(n.next(), payload), rec.Version); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	must(t, "900 KB", s.Write(t.Context(), newID(), record(n.next(), strings.Repeat("x", 900_000)), session.Version{}))
	m.Exec("SET GLOBAL max_allowed_packet = 65536", "KILL USER web") // below what the Stores know
	err := early.Write(t.Context(), id, record(n.next(), strings.Repeat("x", 100_000)), rec.Version)
	if !errors.Is(err, session.ErrTooLarge) && !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("after the limit was lowered: got error %v", err)
	}
	expectPayload(t, s, id, "small")
}
