package servers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The server that runs is the one that was asked for. It keeps what it has acknowledged when it is stopped and when it is
// killed.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server, TLS: true})
			version := ""
			query := func(what string) {
				t.Helper()
				if err := m.Admin().QueryRowContext(t.Context(), "SELECT "+what).Scan(&version); err != nil {
					t.Fatalf("SELECT %s: %v", what, err)
				}
			}
			if query("VERSION()"); !strings.HasPrefix(version, strings.TrimPrefix(string(server), "mariadb-")) {
				t.Errorf("%s is version %s", server, version)
			}
			m.Exec("CREATE TABLE sessions.t (n INT)", "INSERT INTO sessions.t VALUES (42)")
			m.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := m.Admin().PingContext(ctx); err == nil {
				t.Error("a stopped server answers")
			}
			m.Continue()
			query("n FROM sessions.t")
			m.Kill()
			m.Restart()
			if query("n FROM sessions.t"); version != "42" {
				t.Errorf("got %s after a restart, want 42", version)
			}
		})
	}
}
