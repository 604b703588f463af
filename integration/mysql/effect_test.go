package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// effect is what a parameter of a URL changes. see opens a Store with one or the other.
type effect struct {
	without, with string
	see           func(t *testing.T, m *servers.MariaDB, params string) string
	want          string // is seen with the parameter, and not without it
}

// long is how long a call takes that is not cut short; whoever takes half of it has waited for it, on whatever machine.
const long = 6 * time.Second

const slow = "dial_timeout=6s&read_timeout=6s&write_timeout=6s"

// TestEveryOptionHasAnEffect sets each parameter, and looks for what it changes. The house rules want each to have a line.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	must(t, "WriteFile", os.WriteFile(file, []byte(servers.MariaDBPassword+"\n"), 0o600))
	plain, tls := &servers.MariaDBOptions{}, &servers.MariaDBOptions{TLS: true}
	mutual := &servers.MariaDBOptions{TLS: true, Mutual: true}
	for param, c := range map[string]struct {
		effect

		server *servers.MariaDBOptions
	}{
		"mysql://?table":         {effect{"", "table=visits", seeTables, "visits"}, plain},
		"mysql://?create_table":  {effect{"", "create_table=false", seePing, "the table is missing"}, plain},
		"mysql://?max_bytes":     {effect{"", "max_bytes=1000", seeLarge, "too large"}, plain},
		"mysql://?db":            {effect{"db=nowhere", "db=" + servers.MariaDBDatabase, seeSocket, "<nil>"}, plain},
		"mysql://?password_file": {effect{"", "password_file=" + file, seeLogin, "<nil>"}, plain},
		"mysql://?ca_file":       {effect{"", "ca_file", seeTLS, "<nil>"}, tls},
		"mysql://?cert_file":     {effect{"ca_file", "ca_file&cert_file&key_file", seeTLS, "<nil>"}, mutual},
		"mysql://?key_file":      {effect{"ca_file", "ca_file&cert_file&key_file", seeTLS, "<nil>"}, mutual},
		"mysql://?server_name":   {effect{"ca_file", "ca_file&server_name=example.org", seeTLS, "unavailable"}, tls},
		"mysql://?dial_timeout":  {effect{slow, strings.Replace(slow, "dial_timeout=6s", "dial_timeout=50ms", 1), seeFullBacklog, "soon"}, nil},
		"mysql://?read_timeout":  {effect{slow, strings.Replace(slow, "read_timeout=6s", "read_timeout=50ms", 1), seeStall(10), "soon"}, plain},
		"mysql://?write_timeout": {
			effect{slow + "&max_bytes=15000000", strings.Replace(slow, "write_timeout=6s", "write_timeout=50ms", 1) + "&max_bytes=15000000", seeStall(14_000_000), "soon"},
			plain,
		},
		"mysql://?batches":   {effect{patient, patient + "&batches=0", seeReaders, "has 8 "}, plain},
		"mysql://?pool_size": {effect{patient + "&pool_size=8", patient + "&pool_size=1", seeConnections, "has 1 "}, plain},
	} {
		t.Run(param, func(t *testing.T) {
			t.Parallel()
			var seen [2]string
			for i, params := range []string{c.without, c.with} {
				var m *servers.MariaDB
				if c.server != nil {
					m = servers.StartMariaDB(t, c.server)
				}
				seen[i] = c.see(t, m, params)
			}
			if strings.Contains(seen[0], c.want) || !strings.Contains(seen[1], c.want) {
				t.Errorf("without it: %s\nwith it: %s\nwant %s with it alone", seen[0], seen[1], c.want)
			}
		})
	}
}

// TestOptionsHaveAnEffect is about the options of Stores on a pool of the program's own.
func TestOptionsHaveAnEffect(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	for option, c := range map[string]struct {
		o    mysqlstore.Options
		want string
	}{
		"mysqlstore.Options.Table":    {mysqlstore.Options{Table: "visits"}, "visits: <nil>"},
		"mysqlstore.Options.MaxBytes": {mysqlstore.Options{MaxBytes: 1000}, "too large"},
		"mysqlstore.Options.NoCreate": {mysqlstore.Options{NoCreate: true, Table: "absent"}, "the table is missing"},
	} {
		s, err := mysqlstore.New(m.Admin(), &c.o)
		if err == nil {
			m.Exec("USE " + servers.MariaDBDatabase)
			err = s.Write(t.Context(), newID(), record(session.Version{1}, strings.Repeat("x", 2000)), session.Version{})
		}
		if got := fmt.Sprint(c.o.Table, ": ", err); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", option, got, c.want)
		}
	}
}

// patiently is for calls that only a parameter of the URL is to cut short.
func patiently(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 5*long)
}

// created stores a session of so many bytes, and returns the error as a text.
func created(t *testing.T, s store, size int) string {
	ctx, cancel := patiently(t)
	defer cancel()
	return fmt.Sprint(s.Write(ctx, newID(), record(session.Version{1}, strings.Repeat("x", size)), session.Version{}))
}

func seeTables(t *testing.T, m *servers.MariaDB, params string) (tables string) {
	created(t, open(t, withParams(t, m.URL(), params)), 10)
	must(t, "SELECT", m.Admin().QueryRowContext(t.Context(),
		"SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = '"+servers.MariaDBDatabase+"'").Scan(&tables))
	return tables
}

func seePing(t *testing.T, m *servers.MariaDB, params string) string {
	return fmt.Sprint(open(t, withParams(t, m.URL(), params)).Ping(t.Context()))
}

func seeLarge(t *testing.T, m *servers.MariaDB, params string) string {
	return created(t, open(t, withParams(t, m.URL(), params)), 2000)
}

func seeSocket(t *testing.T, m *servers.MariaDB, params string) string {
	rawURL, _, _ := strings.Cut(m.UnixURL(), "?")
	return fmt.Sprint(open(t, withParams(t, rawURL, params)).Ping(t.Context()))
}

func seeLogin(t *testing.T, m *servers.MariaDB, params string) string {
	u, err := url.Parse(m.URL())
	must(t, "parse", err)
	u.User = url.User(servers.MariaDBUser)
	return fmt.Sprint(open(t, withParams(t, u.String(), params)).Ping(t.Context()))
}

// seeTLS uses those of the parameters of a server's URL that are named.
func seeTLS(t *testing.T, m *servers.MariaDB, params string) string {
	u, err := url.Parse(m.URL())
	must(t, "parse", err)
	q := u.Query()
	for _, name := range []string{"ca_file", "cert_file", "key_file"} {
		if !strings.Contains(params, name) {
			q.Del(name)
		}
	}
	if _, name, ok := strings.Cut(params, "server_name="); ok {
		q.Set("server_name", name)
	}
	u.RawQuery = q.Encode()
	return fmt.Sprint(open(t, u.String()).Ping(t.Context()))
}

// soon tells how long something takes.
func soon(do func() string) string {
	begin := time.Now()
	seen := do()
	if took := time.Since(begin); took >= long/2 {
		return "late: " + seen
	}
	return "soon: " + seen
}

// seeFullBacklog connects to a socket that takes no more connections.
func seeFullBacklog(t *testing.T, _ *servers.MariaDB, params string) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, "socket", err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, "bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, "listen", syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, "getsockname", err)
	in := name.(*syscall.SockaddrInet4)
	for range 4 { // one has room; those after it are not answered
		if c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", in.Port), 200*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	s := openAsIs(t, withParams(t, fmt.Sprintf("mysql://web:secret@127.0.0.1:%d/sessions", in.Port), params))
	ctx, cancel := patiently(t)
	defer cancel()
	return soon(func() string { return fmt.Sprint(s.Ping(ctx)) })
}

// seeStall stores so many bytes in a server that has stopped.
func seeStall(size int) func(*testing.T, *servers.MariaDB, string) string {
	return func(t *testing.T, m *servers.MariaDB, params string) string {
		s := openAsIs(t, withParams(t, m.URL(), params))
		for range 2 { // what is to be sent is prepared then
			must(t, "Ping", s.Ping(t.Context()))
		}
		m.Stop()
		defer m.Continue()
		return soon(func() string { return created(t, s, size) })
	}
}

// seeConnections counts the connections of many calls at once, to a server that has stopped for a while.
func seeConnections(t *testing.T, m *servers.MariaDB, params string) string {
	s := openAsIs(t, withParams(t, m.URL(), params))
	must(t, "Ping", s.Ping(t.Context()))
	return connections(t, m, func() { created(t, s, 10) })
}

func seeReaders(t *testing.T, m *servers.MariaDB, params string) string {
	s := openAsIs(t, withParams(t, m.URL(), params))
	must(t, "Ping", s.Ping(t.Context()))
	return connections(t, m, func() { readAbsent(t, s) })
}

// readAbsent reads a session that is not there.
func readAbsent(t *testing.T, s store) {
	ctx, cancel := patiently(t)
	defer cancel()
	if _, err := s.Read(ctx, newID()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("Read: %v", err)
	}
}

// connections are those that 8 calls at once take.
func connections(t *testing.T, m *servers.MariaDB, call func()) string {
	before := status(t, m, "Connections")
	m.Stop()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(call)
	}
	time.Sleep(500 * time.Millisecond)
	m.Continue()
	wg.Wait()
	return fmt.Sprintf("it has %d connections", 1+status(t, m, "Connections")-before)
}
