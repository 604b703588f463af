package mysql_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// How many statements the calls take, when all is well.
func TestStatements(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	id, token := newID(), session.LockToken{1}
	var n ticks
	first, second, third := record(n.next(), "first"), record(n.next(), "second"), record(n.next(), "third")
	touched := second
	touched.Seen = second.Seen.Add(time.Minute)
	ask := session.LockRequest{Token: token, Lease: time.Minute}
	for _, c := range []struct {
		what string
		want int
		call func(ctx context.Context) error
	}{
		{"create", 1, func(ctx context.Context) error { return s.Write(ctx, id, first, session.Version{}) }},
		{"read", 1, func(ctx context.Context) error { _, err := s.Read(ctx, id); return err }},
		{"change", 1, func(ctx context.Context) error { return s.Write(ctx, id, second, first.Version) }},
		{"touch", 1, func(ctx context.Context) error { return s.Touch(ctx, id, touched) }},
		{"touch again", 1, func(ctx context.Context) error { return s.Touch(ctx, id, touched) }},
		{"change again", 2, func(ctx context.Context) error { return s.Write(ctx, id, second, first.Version) }},
		{"acquire", 2, func(ctx context.Context) error { _, err := s.Acquire(ctx, id, ask); return err }},
		{"extend", 2, func(ctx context.Context) error { return s.Extend(ctx, id, token, time.Minute) }},
		{"write and release", 2, func(ctx context.Context) error { return s.WriteRelease(ctx, id, third, second.Version, token) }},
		{"release", 2, func(ctx context.Context) error { return s.Release(ctx, id, token) }},
		{"destroy", 1, func(ctx context.Context) error { return s.Destroy(ctx, id) }},
		{"gc of nothing", 1, func(ctx context.Context) error { _, err := s.GC(ctx, 100); return err }},
	} {
		before := status(t, m, "Questions")
		must(t, c.what, c.call(t.Context()))
		if got := status(t, m, "Questions") - before - 1; got != c.want {
			t.Errorf("%s took %d statements, want %d", c.what, got, c.want)
		}
	}
}

// GC of many at once removes each expired session once, and no other one.
func TestGCAtOnce(t *testing.T) {
	t.Parallel()
	const dead, alive, collectors = 2000, 200, 4
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	var n ticks
	var living []session.ID
	for range alive {
		id := newID()
		must(t, "create", s.Write(t.Context(), id, record(n.next(), "alive"), session.Version{}))
		living = append(living, id)
	}
	m.Exec("INSERT INTO sessions.nonstick_sessions (id, version, seen, expires, record)" +
		" SELECT UNHEX(SHA2(seq, 256)), UNHEX(MD5(seq)), 0, seq, '' FROM sessions.seq_1_to_2000")
	var removed atomic.Int64
	var wg sync.WaitGroup
	for range collectors {
		node := open(t, m.URL())
		wg.Go(func() {
			for {
				got, err := node.GC(t.Context(), 150)
				removed.Add(int64(got))
				if err != nil {
					t.Errorf("GC: %v", err)
				}
				if got < 150 {
					return
				}
			}
		})
	}
	for _, id := range living { // nobody waits for GC
		expectPayload(t, s, id, "alive")
	}
	wg.Wait()
	if got := removed.Load(); got != dead {
		t.Errorf("removed %d sessions, want %d", got, dead)
	}
	for _, id := range living {
		expectPayload(t, s, id, "alive")
	}
}

// A program whose clock is ahead of the server's removes nobody's session.
func TestGCWrongClock(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	m.Exec("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP(SYSDATE()) - 3600'")
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	m.Exec("INSERT INTO sessions.nonstick_sessions (id, version, seen, expires, record)" +
		" VALUES (REPEAT('i', 32), REPEAT('v', 16), 0, 1000 * UNIX_TIMESTAMP() - 60000, '')")
	if n, err := s.GC(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("GC: removed %d, error %v; want none", n, err)
	}
	m.Exec("SET GLOBAL init_connect = ''", "KILL USER web")
	eventually(t, "GC with both clocks right", func() error {
		n, err := s.GC(t.Context(), 10)
		if err == nil && n != 1 {
			t.Fatalf("removed %d sessions, want 1", n)
		}
		return err
	})
}

// Ping warns once of what loses sessions, and shows nothing else.
func TestPingWarns(t *testing.T) { //nolint:paralleltest // it looks at the default logger
	m := servers.StartMariaDB(t, &servers.MariaDBOptions{
		Config: []string{"--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=2M"},
	})
	var out bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(was)
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	m.Exec("ALTER TABLE sessions.nonstick_sessions ENGINE=Aria")
	must(t, "Ping", s.Ping(t.Context()))
	must(t, "Ping", open(t, m.URL()).Ping(t.Context()))
	for text, want := range map[string]int{"innodb_flush_log_at_trx_commit": 4, "max_allowed_packet=": 2, "engine=Aria": 1} {
		if got := strings.Count(out.String(), text); got != want {
			t.Errorf("%q was logged %d times, want %d:\n%s", text, got, want, out.String())
		}
	}
}

// A list has every session, however many batches it takes.
func TestList(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	must(t, "Ping", s.Ping(t.Context()))
	list := func() int {
		ids := make(map[session.ID]bool)
		for id, err := range s.List(t.Context()) {
			must(t, "List", err)
			if ids[id] {
				t.Fatal("a session is there twice")
			}
			ids[id] = true
		}
		return len(ids)
	}
	if n := list(); n != 0 {
		t.Errorf("an empty store lists %d sessions", n)
	}
	m.Exec("INSERT INTO sessions.nonstick_sessions (id, version, seen, expires, record)" +
		" SELECT UNHEX(SHA2(seq, 256)), UNHEX(MD5(seq)), 0, 253402300799000, '' FROM sessions.seq_1_to_2000")
	if n := list(); n != 2000 { // two whole batches, and the one after them
		t.Errorf("listed %d sessions, want 2,000", n)
	}
	m.Exec("DELETE FROM sessions.nonstick_sessions LIMIT 1")
	if n := list(); n != 1999 {
		t.Errorf("listed %d sessions, want 1,999", n)
	}
	m.Kill()
	for id, err := range s.List(t.Context()) {
		if err == nil {
			t.Fatalf("%v is listed by a server that is dead", id)
		}
	}
}
