package servers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Server is a program in one version.
type Server string

// The servers that tests run against. Their names are those of their programs in bin/servers.
const (
	Redis7  Server = "redis-7.0"
	Redis8  Server = "redis-8.0"
	Valkey8 Server = "valkey-8.1"

	MariaDB10 Server = "mariadb-10.11"
	MariaDB11 Server = "mariadb-11.8"
)

// All returns every server that speaks the protocol of Redis, for tests of what may differ between them.
func All() []Server { return []Server{Redis7, Redis8, Valkey8} }

// AllMariaDB returns every server that speaks the protocol of MySQL.
func AllMariaDB() []Server { return []Server{MariaDB10, MariaDB11} }

// orDefault returns s, or the server for tests that name none.
func (s Server) orDefault(t testing.TB) Server {
	t.Helper()
	if s == "" {
		s = Server(os.Getenv("NONSTICK_TEST_SERVER"))
	}
	if s == "" && containers() {
		return Redis8
	}
	if s == "" {
		return Redis7
	}
	if !slices.Contains(All(), s) {
		t.Fatalf("there is no server %q, only %q", s, All())
	}
	return s
}

// program is the name under which distributions and images have it.
func (s Server) program() string {
	kind, _, _ := strings.Cut(string(s), "-")
	return kind + "-server"
}

// path is where its program is, or would be.
func (s Server) path(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.work")) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "bin", "servers", string(s))
	if s == Redis7 && !exists(path) {
		return s.program() // in PATH
	}
	return path
}

func (s Server) image() string {
	switch s {
	case Redis7:
		return envOr("NONSTICK_REDIS7_IMAGE", "redis:7.0")
	case Valkey8:
		return envOr("NONSTICK_VALKEY_IMAGE", "valkey/valkey:8")
	case MariaDB10:
		return envOr("NONSTICK_MARIADB10_IMAGE", "mariadb:10.11")
	case MariaDB11:
		return envOr("NONSTICK_MARIADB_IMAGE", "mariadb:11.8")
	default:
		return envOr("NONSTICK_REDIS_IMAGE", "redis:8")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
