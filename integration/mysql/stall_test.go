package mysql_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// late is what a call may take longer than it should on a busy machine.
const late = 2 * time.Second

// A server that is stopped, and a connection that swallows everything, hold nobody for longer than the deadline; without one
// for no longer than the timeouts. When the server goes on, so does the Store.
func TestStall(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s, fresh := openAsIs(t, m.URL()), open(t, m.URL()) // which waits for 5 s if its caller has them
	id := newID()
	var n ticks
	rec := record(n.next(), "payload")
	eventually(t, "create", func() error { return s.Write(t.Context(), id, rec, session.Version{}) })
	m.Stop()
	go func() { _ = fresh.Destroy(t.Context(), id) }()
	for what, limit := range map[string]time.Duration{"a deadline": 100 * time.Millisecond, "no deadline": time.Second} {
		var wg sync.WaitGroup
		for i := range 100 { // more than there are connections
			s := []store{s, fresh}[i%2]
			wg.Go(func() {
				ctx := t.Context()
				if what == "a deadline" {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
				}
				begin := time.Now()
				_, err := s.Read(ctx, id)
				if took := time.Since(begin); took > limit+late || !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("%s: a read took %v, error %v", what, took, err)
				}
			})
		}
		wg.Wait()
	}
	m.Continue()
	eventually(t, "a read afterwards", func() error {
		_, err := s.Read(t.Context(), id)
		return err
	})
}

// A context that is cancelled ends a call at once, also while a connection is made.
func TestStallCancelled(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s, fresh := open(t, m.URL()), open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	m.Stop()
	defer m.Continue()
	for what, s := range map[string]store{"a connection in use": s, "a new connection": fresh} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		begin := time.Now()
		err := s.Destroy(ctx, newID())
		if took := time.Since(begin); took > late || !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: took %v, error %v", what, took, err)
		}
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = s.Close() })
	if err := s.Destroy(t.Context(), newID()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("a call that Close interrupts: got error %v", err)
	}
}

// What was acknowledged survives the end of the server, and the Store finds the new one.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		s := open(t, m.URL())
		var n ticks
		ids := make([]session.ID, 50)
		for i := range ids {
			ids[i] = newID()
			must(t, "create", s.Write(t.Context(), ids[i], record(n.next(), "payload"), session.Version{}))
		}
		must(t, "destroy", s.Destroy(t.Context(), ids[0]))
		m.Kill()
		if _, err := s.Read(t.Context(), ids[1]); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("without a server: got error %v", err)
		}
		m.Restart()
		for _, id := range ids[1:] {
			expectPayload(t, s, id, "payload")
		}
		if _, err := s.Read(t.Context(), ids[0]); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a destroyed session: got error %v", err)
		}
	}
}

// A row that somebody else holds makes nobody wait for long, and the change is made when it is free.
func TestRowHeld(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s, hasty := open(t, m.URL()), openAsIs(t, m.URL())
	id := newID()
	var n ticks
	rec := record(n.next(), "first")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	tx, err := m.Admin().BeginTx(t.Context(), nil)
	must(t, "BEGIN", err)
	defer func() { _ = tx.Rollback() }()
	hold := func() {
		t.Helper()
		_, err := tx.ExecContext(t.Context(), "SELECT 1 FROM sessions.nonstick_sessions WHERE id = ? FOR UPDATE", id[:])
		must(t, "SELECT FOR UPDATE", err)
	}
	hold()
	next := record(n.next(), "second")
	for what, s := range map[string]store{"patient": s, "hasty": hasty} {
		begin := time.Now()
		err := s.Write(t.Context(), id, next, rec.Version)
		if took := time.Since(begin); took > 2*time.Second+late {
			t.Errorf("%s: took %v", what, took)
		}
		expectRefusal(t, what, err, false, "")
	}
	expectPayload(t, s, id, "first") // reading waits for nobody
	go func() {
		time.Sleep(300 * time.Millisecond)
		_ = tx.Rollback()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	must(t, "change", s.Write(ctx, id, next, rec.Version))
	expectPayload(t, s, id, "second")
}

// The victim of a deadlock tries once more.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	ids := []session.ID{{1}, {2}} // GC removes them in this order
	for _, id := range ids {
		_, err := m.Admin().ExecContext(t.Context(), "INSERT INTO sessions.nonstick_sessions (id, version, seen, expires, record)"+
			" VALUES (?, REPEAT('v', 16), 0, 1, '')", id[:])
		must(t, "INSERT", err)
	}
	m.Exec("CREATE TABLE sessions.heavy (n INT)")
	tx, err := m.Admin().BeginTx(t.Context(), nil)
	must(t, "BEGIN", err)
	defer func() { _ = tx.Rollback() }()
	exec := func(statement string, args ...any) error {
		_, err := tx.ExecContext(t.Context(), statement, args...)
		return err
	}
	for range 10 { // the server ends the transaction that has done less
		must(t, "INSERT", exec("INSERT INTO sessions.heavy SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"))
	}
	const hold = "SELECT 1 FROM sessions.nonstick_sessions WHERE id = ? FOR UPDATE"
	must(t, "hold the second", exec(hold, ids[1][:]))
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		n, err := s.GC(ctx, 10)
		done <- result{n, err}
	}()
	time.Sleep(200 * time.Millisecond) // GC waits for the second and holds the first
	must(t, "hold the first", exec(hold, ids[0][:]))
	must(t, "COMMIT", tx.Commit())
	if r := <-done; r.n != 2 || r.err != nil {
		t.Errorf("GC: removed %d, error %v", r.n, r.err)
	}
	if got := status(t, m, "Innodb_deadlocks"); got != 1 {
		t.Errorf("there were %d deadlocks, want 1", got)
	}
}
