package mysql_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// visit does with a session what requests do: eight statements, of which each is there twice.
func visit(t *testing.T, s store, n *ticks) {
	t.Helper()
	token := session.LockToken{1}
	for range 2 {
		id, rec, next := newID(), record(n.next(), "\x00\xff first"), record(n.next(), strings.Repeat("second \xfe", 1000))
		must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
		must(t, "touch", s.Touch(t.Context(), id, rec))
		lock, err := s.Acquire(t.Context(), id, session.LockRequest{Token: token, Lease: time.Minute})
		if must(t, "Acquire", err); !lock.Held || string(lock.Record.Payload) != string(rec.Payload) {
			t.Fatalf("got the lock %+v", lock)
		}
		must(t, "WriteRelease", s.WriteRelease(t.Context(), id, next, rec.Version, token))
		must(t, "change", s.Write(t.Context(), id, rec, next.Version))
		expectPayload(t, s, id, "\x00\xff first")
		must(t, "destroy", s.Destroy(t.Context(), id))
	}
}

// What visitors wait for is prepared once on each connection, and nothing else is: GC has a text for each number of rows.
func TestPrepared(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		s := open(t, withParams(t, m.URL(), "pool_size=1"))
		var n ticks
		must(t, "create", s.Write(t.Context(), newID(), record(n.next(), ""), session.Version{}))
		if got := status(t, m, "Com_stmt_prepare"); got != 0 {
			t.Errorf("%s: %d statements were prepared for a connection that is used once", server, got)
		}
		for range 3 {
			visit(t, s, &n)
			m.Exec("INSERT INTO sessions.nonstick_sessions (id, version, seen, expires, record)" +
				" SELECT UNHEX(SHA2(seq, 256)), UNHEX(MD5(seq)), 0, seq, '' FROM sessions.seq_1_to_10")
			for range 10 {
				_, err := s.GC(t.Context(), 1)
				must(t, "GC", err)
			}
			if got := status(t, m, "Com_stmt_prepare"); got != 8 {
				t.Errorf("%s: %d statements were prepared, want 8", server, got)
			}
		}
		if got := status(t, m, "Prepared_stmt_count"); got != 8 {
			t.Errorf("%s: the server has %d statements, want 8", server, got)
		}
	}
}

// A server that prepares no statement, or no more, is asked once by each connection, and serves as well.
func TestNotPrepared(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server, Config: []string{"--max-prepared-stmt-count=3"}})
		var n ticks
		for range 3 {
			visit(t, open(t, withParams(t, m.URL(), "pool_size=1")), &n)
		}
		if got := status(t, m, "Com_stmt_prepare"); got > 3+3 {
			t.Errorf("%s: was asked %d times to prepare, want no more than three times and one for each connection", server, got)
		}
	}
}

// A prepared statement follows the table when it is changed, or made anew.
func TestPreparedTableChanges(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		s := open(t, withParams(t, m.URL(), "pool_size=1"))
		var n ticks
		for _, change := range []string{
			"ALTER TABLE sessions.nonstick_sessions ADD COLUMN note TEXT FIRST",
			"ALTER TABLE sessions.nonstick_sessions MODIFY record LONGBLOB NOT NULL, MODIFY seen BIGINT UNSIGNED NOT NULL",
			"RENAME TABLE sessions.nonstick_sessions TO sessions.away",
		} {
			visit(t, s, &n)
			m.Exec(change)
			eventually(t, "after "+change, func() error { return s.Ping(t.Context()) }) // a table that is gone is missed once
			visit(t, s, &n)
		}
	}
}

// A statement that somebody between the program and the server has lost was not run, so it is sent as text. After that nothing
// is prepared on that connection.
func TestForgotten(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	addr, forget := startForgetful(t, m.Addr())
	s := open(t, withParams(t, through(t, m.URL(), addr), "pool_size=1"))
	var n ticks
	visit(t, s, &n)
	forget.Store(true)
	for range 3 {
		visit(t, s, &n)
	}
	if got := status(t, m, "Com_stmt_execute"); got == 0 {
		t.Error("no statement was ever prepared")
	}
	if got := status(t, m, "Com_stmt_prepare"); got != 8 {
		t.Errorf("%d statements were prepared, want 8", got)
	}
}

// startForgetful forwards connections, and while forget is true it replaces the names of prepared statements.
func startForgetful(t *testing.T, target string) (addr string, forget *atomic.Bool) {
	t.Helper()
	forget = new(atomic.Bool)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, "listen", err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go forgetful(client, server, forget)
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
		}
	}()
	return ln.Addr().String(), forget
}

// forgetful forwards packets: three bytes of length, one of sequence, the command, and for an execution (23) the statement.
func forgetful(client, server net.Conn, forget *atomic.Bool) {
	defer func() { _ = server.Close() }()
	for {
		var head [4]byte
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return
		}
		body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if forget.Load() && head[3] == 0 && len(body) > 5 && body[0] == 23 {
			copy(body[1:5], "\xfe\xff\xff\x7f")
		}
		if _, err := server.Write(append(head[:], body...)); err != nil {
			return
		}
	}
}
