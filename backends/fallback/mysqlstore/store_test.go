package mysqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
)

var (
	_ session.Handler = (*mysqlstore.Store)(nil)
	_ session.Toucher = (*mysqlstore.Store)(nil)
	_ session.Locker  = (*mysqlstore.Store)(nil)
	_ session.Pinger  = (*mysqlstore.Store)(nil)
)

// nobody is an address where nobody listens.
const nobody = "127.0.0.1:1"

func pool(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", "web:S3CRET@tcp("+nobody+")/sessions")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := pool(t)
	for name, c := range map[string]struct {
		db   *sql.DB
		opts *mysqlstore.Options
		want string // in the error; "" for none
	}{
		"good":      {good, nil, ""},
		"options":   {good, &mysqlstore.Options{Table: "a_2", MaxBytes: 1<<24 - 1, NoCreate: true}, ""},
		"no pool":   {nil, nil, "the database is nil"},
		"table":     {good, &mysqlstore.Options{Table: "Sessions"}, "the table's name must be"},
		"MaxBytes":  {good, &mysqlstore.Options{MaxBytes: -1}, "MaxBytes must be between"},
		"too large": {good, &mysqlstore.Options{MaxBytes: 1 << 24}, "MaxBytes must be between"},
	} {
		s, err := mysqlstore.New(c.db, c.opts)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v and error %v, want %q", name, s, err, c.want)
		}
	}
}

// Names of tables are a part of statements: whatever could end one is refused, by each door.
func TestTableRefuses(t *testing.T) {
	t.Parallel()
	good := pool(t)
	for _, table := range []string{
		"a`b", "a b", "a;b", "a'", `a"`, `a\`, "a.b", "a-b", "a/*", "a--", "a#", "a\x00", "a\n", "ä", "A", "1a", "_a", "-",
		"sessions` SET record=''; DROP TABLE `users", strings.Repeat("a", 61),
	} {
		if text, err := mysqlstore.Schema(table); err == nil {
			t.Errorf("Schema takes %q: %s", table, text)
		}
		if _, err := mysqlstore.New(good, &mysqlstore.Options{Table: table}); err == nil {
			t.Errorf("New takes %q", table)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "S3CRET")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for rawURL, want := range map[string]string{
		"mysql://S3CRET@h/d?unknown=S3CRET":          "unknown parameter unknown; known are",
		"mysql://S3CRET@h/d?ca_file=S3CRET":          "unknown parameter",
		"mysql://S3CRET@h/d?table=S3CRET":            "the table's name must be",
		"mysql://S3CRET@h/d?table=a`;S3CRET":         "malformed",
		"mysql://S3CRET@h/d?table=":                  "table must not be empty",
		"mysql://S3CRET@h/d?max_bytes=99999999":      "MaxBytes must be between",
		"mysql://S3CRET@h":                           "the path must be the name of the database",
		"mysql://S3CRET@h/a/S3CRET":                  "the path must be the name of the database",
		"mysql://h/d":                                "must name a user",
		"mysql://S3CRET@h,h/d":                       "must name one host",
		"mysql://S3CRET@h:0/d":                       "must name one host",
		"mysql://S3CRET@/d":                          "must name one host",
		"mysql://S3CRET@h/d#S3CRET":                  "malformed",
		"mysql://w:S3CRET@h/d?password_file=S3CRET":  "a password and a password_file",
		"mysql://w@h/d?password_file=/none/S3CRET":   "password_file cannot be read: no such file",
		"mysql://w@h/d?password_file=" + empty:       "password_file cannot be read: it is empty",
		"mysqls://S3CRET@h/d?ca_file=/none/S3CRET":   "ca_file cannot be read",
		"mysqls://S3CRET@h/d?cert_file=/none/S3CRET": "cert_file and key_file go together",
		"mysql+unix://S3CRET@/S3CRET":                "write ?db=database",
		"mysql+unix://S3CRET@h/S3CRET?db=d":          "must be an absolute path",
		"mysql://w:S3/CRET@h/d":                      "cannot be parsed",
		"memory://":                                  "no backend is registered",
	} {
		s, err := mysqlstore.Open(rawURL)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: got %v and error %v, want %q", rawURL, s, err, want)
		}
	}
}

// A Store that cannot reach its server says so, whatever there should be, in time, and is closed in the end. No error tells
// where the server should be.
func TestWithoutServer(t *testing.T) {
	t.Parallel()
	db := pool(t)
	for name, open := range map[string]func() (*mysqlstore.Store, error){
		"tcp":  func() (*mysqlstore.Store, error) { return mysqlstore.Open("mysql://web:S3CRET@" + nobody + "/d") },
		"tls":  func() (*mysqlstore.Store, error) { return mysqlstore.Open("mysqls://web:S3CRET@" + nobody + "/d") },
		"unix": func() (*mysqlstore.Store, error) { return mysqlstore.Open("mysql+unix://web@/no/such/S3CRET?db=d") },
		"pool": func() (*mysqlstore.Store, error) { return mysqlstore.New(db, nil) },
	} {
		s, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for op, err := range calls(t, s) {
			if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrMisconfigured) {
				t.Errorf("%s, %s: got error %v, want %v", name, op, err, session.ErrUnavailable)
			}
			if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, "S3CRET") {
				t.Errorf("%s, %s: the error shows too much: %v", name, op, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		for op, err := range calls(t, s) {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("%s, %s after Close: got error %v, want %v", name, op, err, session.ErrClosed)
			}
		}
	}
}

// calls returns the error of each method.
func calls(t *testing.T, s *mysqlstore.Store) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	id, token := session.ID{1}, session.LockToken{1}
	rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
	_, read := s.Read(ctx, id)
	_, late := s.Read(cancelled, id)
	_, lock := s.Acquire(ctx, id, session.LockRequest{Token: token, Lease: time.Minute, Wait: time.Minute})
	_, gc := s.GC(ctx, 10)
	return map[string]error{
		"read": read, "cancelled": late, "acquire": lock, "gc": gc, "write": s.Write(ctx, id, rec, session.Version{}),
		"touch": s.Touch(ctx, id, rec), "destroy": s.Destroy(ctx, id), "ping": s.Ping(ctx),
		"write and release": s.WriteRelease(ctx, id, rec, session.Version{}, token),
		"extend":            s.Extend(ctx, id, token, time.Minute), "release": s.Release(ctx, id, token),
	}
}
