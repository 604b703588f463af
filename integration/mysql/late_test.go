package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// Changes whose callers have given up are applied when the server goes on, 1,000 of them. The repeat finds that, and is neither
// a conflict nor a second change; and one that comes after another change is no change at all.
func TestAppliedLate(t *testing.T) {
	t.Parallel()
	const sessions, wanted = 50, 1000
	m := servers.StartMariaDB(t, nil)
	db := pool(t, m, sessions)
	s, err := mysqlstore.New(db, nil)
	must(t, "New", err)
	var n ticks
	all := make([]*lateSession, sessions)
	for i := range all {
		all[i] = &lateSession{Store: s, id: newID(), rec: record(n.next(), "0")}
		must(t, "create", s.Write(t.Context(), all[i].id, all[i].rec, session.Version{}))
	}
	before, changes, late, overtaken := status(t, m, "Handler_update"), 0, 0, 0
	for cycle := 0; late < wanted; cycle++ {
		warm(t, db, sessions) // so that each has a connection, on which its change arrives
		m.Stop()
		late += count(all, func(l *lateSession) bool {
			l.next = record(n.next(), fmt.Sprint("late ", cycle))
			return abandoned(t, "change", func(ctx context.Context) error { return s.Write(ctx, l.id, l.next, l.rec.Version) })
		})
		m.Continue()
		switch cycle % 4 {
		case 0: // what was applied late is found
			count(all, func(l *lateSession) bool { return l.applied(t) })
			count(all, func(l *lateSession) bool { return l.repeat(t) })
		case 1, 2: // the repeat and the late one meet
			count(all, func(l *lateSession) bool { return l.repeat(t) })
		case 3: // so do the late one and one of somebody else: one of them is made
			overtaken += count(all, func(l *lateSession) bool {
				return l.overtake(t, record(n.next(), fmt.Sprint("other ", cycle)))
			})
		}
		changes += sessions
	}
	if got := status(t, m, "Handler_update") - before; got != changes {
		t.Errorf("%d changes were made, want %d: one of each session in each cycle", got, changes)
	}
	t.Logf("%d changes were applied late or overtaken, %d of them overtaken by another one", late, overtaken)
}

// A creation and a touch that come late, after a destroy too, bring nothing back.
func TestCreatedLate(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	db := pool(t, m, 2)
	s, err := mysqlstore.New(db, nil)
	must(t, "New", err)
	rec := record(session.Version{1}, "payload")
	must(t, "Ping", s.Ping(t.Context()))
	for range 5 {
		created, gone := newID(), newID()
		must(t, "create", s.Write(t.Context(), gone, rec, session.Version{}))
		warm(t, db, 2)
		m.Stop()
		abandoned(t, "creation", func(ctx context.Context) error { return s.Write(ctx, created, rec, session.Version{}) })
		abandoned(t, "touch", func(ctx context.Context) error { return s.Touch(ctx, gone, rec) })
		m.Continue()
		must(t, "repeated creation", s.Write(t.Context(), created, rec, session.Version{}))
		for _, id := range []session.ID{created, gone} {
			must(t, "destroy", s.Destroy(t.Context(), id))
			if _, err := s.Read(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("after the destroy: got error %v", err)
			}
		}
	}
}

// pool is one of a program, for so many statements at once.
func pool(t testing.TB, m *servers.MariaDB, conns int) *sql.DB {
	t.Helper()
	d := mysql.NewConfig()
	d.User, d.Passwd, d.DBName = servers.MariaDBUser, servers.MariaDBPassword, servers.MariaDBDatabase
	d.Net, d.Addr = "tcp", m.Addr()
	d.InterpolateParams, d.Logger = true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(d)
	must(t, "NewConnector", err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// warm makes so many connections.
func warm(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	for range n {
		c, err := db.Conn(t.Context())
		must(t, "connect", err)
		defer c.Close()
		must(t, "ping", c.PingContext(t.Context()))
	}
}

// lateSession is a session whose change from rec to next is on its way to a server that stands still.
type lateSession struct {
	*mysqlstore.Store
	id        session.ID
	rec, next session.Record
}

// count does something with all sessions at once and returns of how many it is true.
func count(all []*lateSession, do func(*lateSession) bool) int {
	var wg sync.WaitGroup
	var n atomic.Int64
	for _, l := range all {
		wg.Go(func() {
			if do(l) {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return int(n.Load())
}

// applied waits until the late change is there.
func (l *lateSession) applied(t *testing.T) bool {
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(5 * time.Millisecond) {
		if got, err := l.Read(t.Context(), l.id); err == nil && got.Version == l.next.Version {
			return true
		}
	}
	t.Error("the late change is not there")
	return false
}

// repeat makes the late change again.
func (l *lateSession) repeat(t *testing.T) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Write(ctx, l.id, l.next, l.rec.Version); err != nil {
		t.Errorf("repeated change: %v", err)
	}
	l.rec = l.next
	return l.holds(ctx, t)
}

// overtake makes another change of the same version. Either it is made and the late one is refused, or the other way round.
func (l *lateSession) overtake(t *testing.T, other session.Record) (done bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := l.Write(ctx, l.id, other, l.rec.Version)
	late := l.Write(ctx, l.id, l.next, l.rec.Version)
	switch {
	case err == nil && errors.Is(late, session.ErrConflict):
		l.rec = other
	case errors.Is(err, session.ErrConflict) && late == nil:
		l.rec = l.next
	default:
		t.Errorf("another change: error %v, and then the late one: error %v", err, late)
	}
	l.holds(ctx, t)
	return err == nil
}

// holds reports whether the session is stored as it should be.
func (l *lateSession) holds(ctx context.Context, t *testing.T) bool {
	got, err := l.Read(ctx, l.id)
	if err != nil || got.Version != l.rec.Version || string(got.Payload) != string(l.rec.Payload) {
		t.Errorf("got payload %q, error %v, want %q", got.Payload, err, l.rec.Payload)
		return false
	}
	return true
}

// abandoned makes a call that a stopped server does not answer, and reports whether it did not.
func abandoned(t *testing.T, what string, call func(ctx context.Context) error) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // enough to send it
	defer cancel()
	err := call(ctx)
	if err != nil && (!errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded)) {
		t.Errorf("%s of a stopped server: got error %v", what, err)
	}
	return err != nil
}
