package fallback_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// mariaFaults are those of a MariaDB that is there and refuses what it should do.
func mariaFaults() map[string]fault {
	const while = 2 * time.Second
	user := servers.MariaDBUser + "@'%'"
	table := servers.MariaDBDatabase + ".nonstick_sessions"
	refuse := func(begin, end string) fault {
		return fault{lasts: while, begin: func(s *site) { s.maria.Exec(begin); s.disconnect() }, end: func(s *site) { s.maria.Exec(end) }}
	}
	return map[string]fault{
		"MariaDB ends connections": {begin: func(s *site) {
			for range 20 {
				s.disconnect()
				time.Sleep(50 * time.Millisecond)
			}
		}},
		"MariaDB's rows are locked": {begin: func(s *site) {
			tx, err := s.maria.Admin().BeginTx(s.t.Context(), nil)
			s.must(err)
			_, err = tx.ExecContext(s.t.Context(), "SELECT id FROM "+table+" FOR UPDATE")
			s.must(err)
			time.Sleep(while)
			s.must(tx.Rollback())
		}},
		"MariaDB is read-only":            refuse("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
		"MariaDB has too few connections": refuse("SET GLOBAL max_connections = 10", "SET GLOBAL max_connections = 200"),
		"MariaDB has another password": refuse("ALTER USER "+user+" IDENTIFIED BY 'another'",
			"ALTER USER "+user+" IDENTIFIED BY '"+servers.MariaDBPassword+"'"),
		"MariaDB denies the user everything": refuse("REVOKE ALL ON "+servers.MariaDBDatabase+".* FROM "+user,
			"GRANT ALL ON "+servers.MariaDBDatabase+".* TO "+user),
	}
}

// disconnect makes MariaDB end all connections of the nodes.
func (s *site) disconnect() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context())
	rows, err := s.maria.Admin().QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE user = ?", servers.MariaDBUser)
	s.must(err)
	var ids []int64
	for rows.Next() {
		var id int64
		s.must(rows.Scan(&id))
		ids = append(ids, id)
	}
	s.must(rows.Err())
	s.must(rows.Close())
	for _, id := range ids {
		_, _ = s.maria.Admin().ExecContext(ctx, fmt.Sprint("KILL ", id)) // it may have ended by itself
	}
}
