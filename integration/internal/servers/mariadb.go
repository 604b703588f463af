package servers

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The database, and the user who may do everything in it and nothing elsewhere.
const (
	MariaDBDatabase = "sessions"
	MariaDBUser     = "web"
	MariaDBPassword = "p/w@%?"
)

// MariaDBOptions say how a MariaDB server is set up. The zero value listens on a random port of 127.0.0.1 and on a unix
// socket.
type MariaDBOptions struct {
	TLS    bool     // refuse clients on the port that do not speak TLS, with certificates made for the test
	Mutual bool     // refuse the user without a certificate; implies TLS
	Config []string // more arguments, such as "--max-connections=10"
	Server Server   // which program; default MariaDB10
	Dir    string   // where it makes the directory for its files; default that for temporary ones
}

// MariaDB is a running server. What it has acknowledged survives Kill.
type MariaDB struct {
	opts  MariaDBOptions
	t     testing.TB
	dir   string
	port  int
	certs *Certs
	inst  instance
	admin *sql.DB
}

// StartMariaDB starts a server and waits until it answers. Nil options mean the zero value.
func StartMariaDB(t testing.TB, opts *MariaDBOptions) *MariaDB {
	t.Helper()
	var o MariaDBOptions
	if opts != nil {
		o = *opts
	}
	dir, err := os.MkdirTemp(o.Dir, "maria") // t.TempDir is too long a path for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // the server in a container is another user
		t.Fatal(err)
	}
	m := &MariaDB{t: t, dir: dir, opts: o}
	m.opts.Server = cmp.Or(m.opts.Server, MariaDB10)
	if m.opts.TLS = m.opts.TLS || m.opts.Mutual; m.opts.TLS {
		m.certs = NewCerts(t, dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "init.sql"), []byte(m.initSQL()), 0o644); err != nil {
		t.Fatal(err)
	}
	d := mysql.NewConfig()
	d.User, d.Net, d.Addr, d.Logger, d.Timeout = "root", "unix", m.socket(), &mysql.NopLogger{}, time.Second
	connector, err := mysql.NewConnector(d)
	if err != nil {
		t.Fatal(err)
	}
	m.admin = sql.OpenDB(connector)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of %s:\n%s", m.opts.Server, m.inst.output())
		}
		_ = m.admin.Close()
		m.inst.remove()
	})
	for attempt := 1; ; attempt++ {
		err := m.launch()
		if err == nil {
			return m
		}
		out := m.inst.output()
		m.inst.remove()
		if attempt == 3 { // somebody else may have taken the port
			t.Fatalf("%s: %v\n%s", m.opts.Server, err, out)
		}
	}
}

func (m *MariaDB) launch() error {
	m.port = freePort(m.t)
	s := spec{
		name: "mariadbd", path: m.opts.Server.path(m.t), get: "scripts/servers", image: m.opts.Server.image(),
		args: m.args(), dir: m.dir, port: m.port,
	}
	if containers() { // the programs that make the data directory are in there
		s.name, s.args = "sh", []string{"-c", fmt.Sprintf("[ -d %[1]s/mysql ] || mariadb-install-db --no-defaults --user=root"+
			" --auth-root-authentication-method=normal --datadir=%[1]s; exec mariadbd %[2]s", m.data(), strings.Join(m.args(), " "))}
	}
	m.inst = newInstance(m.t, s)
	if !containers() {
		if err := m.makeData(s.path); err != nil {
			return err
		}
	}
	if err := m.inst.start(); err != nil {
		return err
	}
	return m.ready()
}

// args are those of the server. It writes no more than it must: a test is over soon.
func (m *MariaDB) args() []string {
	args := append(storage(m.data()), "--init-file="+m.dir+"/init.sql", "--socket="+m.socket(), "--pid-file="+m.dir+"/pid",
		"--bind-address="+listenHost(), fmt.Sprint("--port=", m.port), "--skip-name-resolve", "--max-connections=200",
		"--skip-log-bin", "--performance-schema=OFF", "--log-warnings=1")
	if m.opts.TLS {
		args = append(args, "--ssl-ca="+m.certs.CA, "--ssl-cert="+m.certs.ServerCert, "--ssl-key="+m.certs.ServerKey,
			"--require-secure-transport=ON")
	}
	return append(args, m.opts.Config...)
}

func storage(dir string) []string {
	return []string{
		"--no-defaults", "--user=root", "--datadir=" + dir, "--innodb-data-file-path=ibdata1:8M:autoextend",
		"--innodb-autoextend-increment=1", "--innodb-log-file-size=4M", "--innodb-undo-tablespaces=0", "--innodb-buffer-pool-size=32M",
	}
}

func (m *MariaDB) data() string   { return m.dir + "/data" }
func (m *MariaDB) socket() string { return m.dir + "/mariadb.sock" }

// initSQL runs at each start of the server.
func (m *MariaDB) initSQL() string {
	require := ""
	if m.opts.Mutual {
		require = " REQUIRE X509"
	}
	return fmt.Sprintf("CREATE DATABASE IF NOT EXISTS %s;\nCREATE USER IF NOT EXISTS %[2]s@'%%' IDENTIFIED BY '%[3]s'%[4]s;\nGRANT ALL ON %[1]s.* TO %[2]s@'%%';\n",
		MariaDBDatabase, MariaDBUser, MariaDBPassword, require)
}

// fresh has, for each program, the files of a data directory that nobody has used yet: to make one takes a second or two.
type fresh struct {
	mu    sync.Mutex
	files map[string]map[string][]byte
}

var freshData fresh

// makeData makes the data directory. The first one of a process is made by the server, the others are copies.
func (m *MariaDB) makeData(program string) error {
	if exists(m.data()) {
		return nil
	}
	freshData.mu.Lock()
	defer freshData.mu.Unlock()
	if err := os.Mkdir(m.data(), 0o700); err != nil {
		return err
	}
	files := freshData.files[program]
	if files == nil {
		if out, err := exec.Command(program, append(storage(m.data()), "--bootstrap")...).CombinedOutput(); err != nil {
			return fmt.Errorf("make a data directory: %w\n%s", err, out)
		}
		files = map[string][]byte{}
		err := fs.WalkDir(os.DirFS(m.data()), ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files[path], err = os.ReadFile(filepath.Join(m.data(), path))
			}
			return err
		})
		if err != nil {
			return err
		}
		if freshData.files == nil {
			freshData.files = map[string]map[string][]byte{}
		}
		freshData.files[program] = files
		return nil
	}
	if err := os.Mkdir(m.data()+"/mysql", 0o700); err != nil {
		return err
	}
	for path, content := range files {
		if err := os.WriteFile(filepath.Join(m.data(), path), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the server answers.
func (m *MariaDB) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = m.admin.PingContext(ctx); last == nil {
			return nil
		}
		if !m.inst.alive() {
			return fmt.Errorf("the server ended: %w", last)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("no answer within %v: %w", readyTime, last)
}

// Server is which program it is.
func (m *MariaDB) Server() Server { return m.opts.Server }

// Addr is host:port.
func (m *MariaDB) Addr() string { return loopback(m.port) }

// Certs are the certificates of a server that speaks TLS, else nil.
func (m *MariaDB) Certs() *Certs { return m.certs }

// URL is the store URL for the user, by the port.
func (m *MariaDB) URL() string { return m.UserURL(MariaDBUser, MariaDBPassword) }

// UserURL is the store URL for a user. It names the authority's certificate, and the client's if the server asks for one.
func (m *MariaDB) UserURL(user, password string) string {
	u := &url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: m.Addr(), Path: "/" + MariaDBDatabase}
	q := url.Values{}
	if m.opts.TLS {
		u.Scheme = "mysqls"
		q.Set("ca_file", m.certs.CA)
	}
	if m.opts.Mutual {
		q.Set("cert_file", m.certs.ClientCert)
		q.Set("key_file", m.certs.ClientKey)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// UnixURL is the store URL for the user, by the unix socket.
func (m *MariaDB) UnixURL() string {
	u := &url.URL{
		Scheme: "mysql+unix", User: url.UserPassword(MariaDBUser, MariaDBPassword), Path: m.socket(),
		RawQuery: "db=" + MariaDBDatabase,
	}
	return u.String()
}

// Admin is root's pool for the test's own statements.
func (m *MariaDB) Admin() *sql.DB { return m.admin }

// Exec runs statements of root, one after the other.
func (m *MariaDB) Exec(statements ...string) {
	m.t.Helper()
	for _, s := range statements {
		if _, err := m.admin.ExecContext(context.WithoutCancel(m.t.Context()), s); err != nil {
			m.t.Fatalf("%s: %v", s, err)
		}
	}
}

// Alive reports whether the server runs, stopped or not.
func (m *MariaDB) Alive() bool { return m.inst.alive() }

// Stop freezes the server: connections stay open, nothing is answered.
func (m *MariaDB) Stop() { m.signal(syscall.SIGSTOP) }

// Continue thaws the server.
func (m *MariaDB) Continue() { m.signal(syscall.SIGCONT) }

// Kill ends the server without giving it time to write anything.
func (m *MariaDB) Kill() { m.signal(syscall.SIGKILL) }

// Restart starts the server again after Kill and waits until it answers.
func (m *MariaDB) Restart() {
	m.t.Helper()
	if err := m.inst.start(); err != nil {
		m.t.Fatalf("restart %s: %v", m.opts.Server, err)
	}
	if err := m.ready(); err != nil {
		m.t.Fatalf("restarted %s: %v\n%s", m.opts.Server, err, m.inst.output())
	}
}

func (m *MariaDB) signal(s syscall.Signal) {
	m.t.Helper()
	if err := m.inst.signal(s); err != nil {
		m.t.Fatalf("send %v to %s: %v", s, m.opts.Server, err)
	}
}
