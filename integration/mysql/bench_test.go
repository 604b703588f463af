package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// benchDB is a pool with the settings of a Store's own.
func benchDB(b *testing.B, m *servers.MariaDB) *sql.DB {
	b.Helper()
	d := mysql.NewConfig()
	d.User, d.Passwd, d.Net, d.Addr, d.DBName = servers.MariaDBUser, servers.MariaDBPassword, "tcp", m.Addr(), servers.MariaDBDatabase
	d.InterpolateParams, d.ClientFoundRows, d.ReadTimeout = true, true, 5*time.Second
	connector, err := mysql.NewConnector(d)
	must(b, "NewConnector", err)
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(32)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// What the Store's calls cost beside the same statements written by hand, on one pool, for a session of 1 KiB: without
// waiting for the disk, which would hide the difference.
func BenchmarkByHand(b *testing.B) {
	m := servers.StartMariaDB(b, &servers.MariaDBOptions{Config: []string{"--innodb-flush-log-at-trx-commit=0"}})
	db := benchDB(b, m)
	s, err := mysqlstore.New(db, nil)
	must(b, "New", err)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	var n ticks
	id, payload := newID(), strings.Repeat("x", 1<<10)
	rec := record(n.next(), payload)
	must(b, "create", s.Write(ctx, id, rec, session.Version{}))
	b.Run("read/store", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Read(ctx, id)
			must(b, "Read", err)
		}
	})
	b.Run("read/hand", func(b *testing.B) {
		for b.Loop() {
			var data []byte
			must(b, "SELECT", db.QueryRowContext(ctx, "SELECT record FROM nonstick_sessions WHERE id = ?", id[:]).Scan(&data))
		}
	})
	b.Run("change/store", func(b *testing.B) {
		for b.Loop() {
			next := record(n.next(), payload)
			must(b, "Write", s.Write(ctx, id, next, rec.Version))
			rec = next
		}
	})
	b.Run("change/hand", func(b *testing.B) {
		for b.Loop() {
			next, now := n.next(), time.Now().UnixMilli()
			data := append(next[:], payload...) // the server does not write what stays as it is
			_, err := db.ExecContext(ctx, "UPDATE nonstick_sessions SET version = ?, seen = ?, expires = ?, record = ? WHERE id = ? AND version = ?",
				next[:], now, now+3_600_000, data, id[:], rec.Version[:])
			must(b, "UPDATE", err)
			rec.Version = next
		}
	})
}

// How many reads of many at once the Store makes in a second, with batches and without.
func BenchmarkTogether(b *testing.B) {
	m := servers.StartMariaDB(b, nil)
	ids := existing(b, open(b, m.URL()), 1000, 1<<10)
	for _, params := range []string{"batches=0", "batches=1", "batches=2", "batches=4"} {
		for _, readers := range []int{2, 16, 64} {
			b.Run(fmt.Sprint(params, "/", readers), func(b *testing.B) {
				s := open(b, withParams(b, m.URL(), "pool_size=64&"+params))
				b.SetParallelism(max(1, readers/runtime.GOMAXPROCS(0)))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := s.Read(b.Context(), ids[rand.IntN(len(ids))]); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// A lock that nobody else wants, taken and released: by compare-and-set, as the Store does, and in transactions that lock the
// row.
func BenchmarkLock(b *testing.B) {
	m := servers.StartMariaDB(b, nil)
	db := benchDB(b, m)
	s, err := mysqlstore.New(db, nil)
	must(b, "New", err)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	id := newID()
	must(b, "create", s.Write(ctx, id, record(session.Version{1}, strings.Repeat("x", 1<<10)), session.Version{}))
	b.Run("compare-and-set", func(b *testing.B) {
		ask := session.LockRequest{Token: session.LockToken{1}, Lease: time.Minute}
		for b.Loop() {
			_, err := s.Acquire(ctx, id, ask)
			must(b, "Acquire", err)
			must(b, "Release", s.Release(ctx, id, ask.Token))
		}
	})
	b.Run("for update", func(b *testing.B) {
		step := func(state any) {
			tx, err := db.BeginTx(ctx, nil)
			must(b, "BEGIN", err)
			var was, data []byte
			must(b, "SELECT", tx.QueryRowContext(ctx, "SELECT lock_state, record FROM nonstick_sessions WHERE id = ? FOR UPDATE", id[:]).
				Scan(&was, &data))
			_, err = tx.ExecContext(ctx, "UPDATE nonstick_sessions SET lock_state = ? WHERE id = ?", state, id[:])
			must(b, "UPDATE", err)
			must(b, "COMMIT", tx.Commit())
		}
		for b.Loop() {
			step(strings.Repeat("x", 300))
			step(nil)
		}
	})
}
