package mysql_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// waysToRead opens Stores that read in each of the ways that there are: by statements of their own connections, and on pools of
// the program's whose driver takes arguments or does not.
func waysToRead(t *testing.T, m *servers.MariaDB) map[string]*mysqlstore.Store {
	t.Helper()
	bare, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/%s", servers.MariaDBUser, servers.MariaDBPassword, m.Addr(), servers.MariaDBDatabase))
	must(t, "sql.Open", err)
	t.Cleanup(func() { _ = bare.Close() })
	ways := map[string]*mysqlstore.Store{"URL": open(t, m.URL())}
	for name, db := range map[string]*sql.DB{"pool": pool(t, m, 8), "pool without interpolateParams": bare} {
		ways[name], err = mysqlstore.New(db, nil)
		must(t, "New", err)
	}
	return ways
}

// Many read at once, each what it has asked for: sessions of several sizes, most of them asked for by several, and some that are
// not there. A payload is its reader's own, to write in as well.
func TestBatches(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		for name, s := range waysToRead(t, m) {
			var n ticks
			want := make(map[session.ID]string)
			for i := range 12 {
				id := newID()
				want[id] = strings.Repeat(fmt.Sprintf("\x00%d'", i), i*i*i*10)
				must(t, "create", s.Write(t.Context(), id, record(n.next(), want[id]), session.Version{}))
			}
			ids := make([]session.ID, 0, 16)
			for id := range want {
				ids = append(ids, id)
			}
			ids = append(ids, newID(), newID(), newID())
			const readers, each = 64, 20
			before := status(t, m, "Com_select")
			var all sync.WaitGroup
			for range readers {
				all.Go(func() {
					for range each {
						id := ids[rand.IntN(len(ids))]
						if err := expectOwn(t.Context(), s, id, want); err != nil {
							t.Errorf("%s, %s: %v", server, name, err)
						}
					}
				})
			}
			all.Wait()
			if got := status(t, m, "Com_select") - before; 2*got > readers*each {
				t.Errorf("%s, %s: %d reads took %d statements", server, name, readers*each, got)
			}
		}
	}
}

// expectOwn reads a session, and writes all over what it gets.
func expectOwn(ctx context.Context, s store, id session.ID, want map[session.ID]string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*long)
	defer cancel()
	rec, err := s.Read(ctx, id)
	payload, ok := want[id]
	switch {
	case !ok && errors.Is(err, session.ErrNotFound):
		return nil
	case !ok:
		return fmt.Errorf("a session that is not there: %w", err)
	case err != nil:
		return err
	case string(rec.Payload) != payload:
		return fmt.Errorf("got payload %.20q, want %.20q", rec.Payload, payload)
	}
	copy(rec.Payload, bytes.Repeat([]byte("#"), len(rec.Payload)))
	return nil
}

// A server that lets a statement return few rows unless it says how many has all sessions yet.
func TestBatchesSelectLimit(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	m.Exec("SET GLOBAL sql_select_limit = 3")
	s := open(t, m.URL())
	ids := make([]session.ID, 20)
	for i := range ids {
		ids[i] = newID()
		must(t, "create", s.Write(t.Context(), ids[i], record(session.Version{1}, "stored"), session.Version{}))
	}
	for _, err := range meet(t, m, s, ids, 40, func() {}) {
		must(t, "Read", err)
	}
}

// What was to be read together in vain, as too many large records are, is read by itself the next time, and then together again.
func TestBatchesInVain(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := openAsIs(t, withParams(t, m.URL(), "dial_timeout=6s&write_timeout=6s&read_timeout=2s"))
	ids := existing(t, s, 20, 100)
	statements := func(meanwhile func()) (n, failed int) {
		before := status(t, m, "Com_select")
		for _, err := range meet(t, m, s, ids, len(ids), meanwhile) {
			if err != nil {
				failed++
			}
		}
		return status(t, m, "Com_select") - before, failed
	}
	if _, failed := statements(func() { time.Sleep(3 * time.Second) }); failed < len(ids)-2 {
		t.Fatalf("only %d of %d reads failed", failed, len(ids))
	}
	alone, failed := statements(func() {})
	together, failedToo := statements(func() {})
	if failed+failedToo > 0 || alone < len(ids)/2 || together > len(ids)/2 {
		t.Errorf("%d reads took %d statements after they had failed, then %d; %d and %d failed", len(ids), alone, together, failed, failedToo)
	}
}

// meet has so many readers come while the server stands still, does something meanwhile, and returns the errors of all.
func meet(t *testing.T, m *servers.MariaDB, s store, ids []session.ID, readers int, meanwhile func()) []error {
	t.Helper()
	m.Stop()
	errs := make([]error, readers)
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			_, errs[i] = s.Read(ctx, ids[i%len(ids)])
		})
	}
	time.Sleep(200 * time.Millisecond)
	meanwhile()
	m.Continue()
	all.Wait()
	return errs
}

// existing stores sessions of so many bytes.
func existing(t testing.TB, s store, count, size int) (ids []session.ID) {
	t.Helper()
	var n ticks
	for range count {
		id := newID()
		must(t, "create", s.Write(t.Context(), id, record(n.next(), strings.Repeat("x", size)), session.Version{}))
		ids = append(ids, id)
	}
	return ids
}

// A statement finds its rows by the primary key, however few there are, and waits for no lock.
func TestBatchesByKey(t *testing.T) {
	t.Parallel()
	for _, server := range servers.AllMariaDB() {
		m := servers.StartMariaDB(t, &servers.MariaDBOptions{Server: server})
		s := open(t, withParams(t, m.URL(), "pool_size=4"))
		ids := existing(t, s, 5, 100)
		tx, err := m.Admin().BeginTx(t.Context(), nil)
		must(t, "BEGIN", err)
		_, err = tx.ExecContext(t.Context(), "UPDATE sessions.nonstick_sessions SET lock_turn = lock_turn + 1")
		must(t, "UPDATE", err)
		selects, scanned := status(t, m, "Com_select"), status(t, m, "Handler_read_rnd_next")
		for _, err := range meet(t, m, s, append(ids, newID()), 66, func() {}) {
			if err != nil && !errors.Is(err, session.ErrNotFound) {
				t.Errorf("%s: %v", server, err)
			}
		}
		if got := status(t, m, "Handler_read_rnd_next") - scanned; got > 2 { // which SHOW STATUS has read
			t.Errorf("%s: %d rows were looked at that nobody asked for", server, got)
		}
		if got := status(t, m, "Com_select") - selects; got > 8 {
			t.Errorf("%s: 66 reads took %d statements", server, got)
		}
		must(t, "ROLLBACK", tx.Rollback())
	}
}

// However many meet, there are no more than three statements for them to be prepared.
func TestBatchesPrepared(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, withParams(t, m.URL(), "pool_size=1&batches=1"))
	ids := existing(t, s, 30, 100)
	for range 2 {
		for _, readers := range []int{3, 4, 6, 12, 20, 40, 64} {
			for _, err := range meet(t, m, s, ids, readers, func() {}) {
				must(t, "Read", err)
			}
		}
	}
	if got := status(t, m, "Prepared_stmt_count"); got != 1+1+3 {
		t.Errorf("%d statements are prepared, want one to create, one to read, and three to read several", got)
	}
}

// What breaks while a statement is under way, or in the middle of its rows, fails the reads that it was for, and no others. No
// session seems to be gone.
func TestBatchesBroken(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	proxy := servers.StartProxy(t, m.Addr())
	s := openAsIs(t, withParams(t, through(t, m.URL(), proxy.Addr()), "dial_timeout=5s&read_timeout=2s&write_timeout=5s"))
	ids := existing(t, s, 8, 3000)
	for what, harm := range map[string]func(){
		"cut":    func() { proxy.Harm(servers.Harm{Truncate: 1000}) },
		"killed": func() { m.Kill(); m.Restart() },
		"vanish": proxy.Vanish,
	} {
		for _, err := range meet(t, m, s, ids, 8, func() {}) { // there are connections then
			must(t, what+", before", err)
		}
		failed := 0
		for _, err := range meet(t, m, s, ids, 8, harm) {
			if errors.Is(err, session.ErrUnavailable) {
				failed++
			} else if err != nil {
				t.Errorf("%s: got error %v, want %v", what, err, session.ErrUnavailable)
			}
		}
		if failed < 4 { // one that came late has a new connection
			t.Errorf("%s: %d reads failed", what, failed)
		}
		proxy.Harm(servers.Harm{})
		eventually(t, what+", afterwards", func() error {
			return errors.Join(meet(t, m, s, ids, 8, func() {})...)
		})
	}
}

// Visitors go on while connections are killed again and again: a read has its own record, or fails as unavailable.
func TestBatchesKilled(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	want := make(map[session.ID]string)
	ids := existing(t, s, 8, 20_000)
	for _, id := range ids {
		want[id] = strings.Repeat("x", 20_000)
	}
	var done, failed atomic.Int64
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for n := range 100 {
				if err := expectOwn(t.Context(), s, ids[(i+n)%len(ids)], want); err == nil {
					done.Add(1)
				} else if failed.Add(1); !errors.Is(err, session.ErrUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		m.Exec("KILL USER " + servers.MariaDBUser)
		time.Sleep(10 * time.Millisecond)
	}
	all.Wait()
	if done.Load() == 0 {
		t.Errorf("all of %d reads failed", failed.Load())
	}
	t.Logf("%d reads were done, %d failed", done.Load(), failed.Load())
	for _, id := range ids {
		eventually(t, "afterwards", func() error { return expectOwn(t.Context(), s, id, want) })
	}
}

// A read that gives up, or is given up, leaves the others alone; Close ends all of them.
func TestBatchesLeft(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	ids := existing(t, s, 4, 100)
	for _, err := range meet(t, m, s, ids, 8, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := s.Read(ctx, ids[0]) // the others wait already
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a read with a deadline: got error %v", err)
		}
	}) {
		must(t, "one that waits", err)
	}
	m.Stop()
	defer m.Continue()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.Read(t.Context(), ids[0]); !errors.Is(err, session.ErrClosed) {
				t.Errorf("a read that Close interrupts: got error %v", err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	_ = s.Close()
	all.Wait()
}
