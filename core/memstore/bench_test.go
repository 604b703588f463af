package memstore_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// filled returns a store of n sessions of 1 KiB, and their ids and records.
func filled(b *testing.B, n int) (*memstore.Store, []session.ID, []session.Record) {
	s, ids, recs := memstore.New(nil), make([]session.ID, n), make([]session.Record, n)
	now := time.Now()
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][:], uint64(i+1)*0x9E3779B97F4A7C15)
		recs[i] = session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Hour, Payload: make([]byte, 1024)}
		if err := s.Write(context.Background(), ids[i], recs[i], session.Version{}); err != nil {
			b.Fatal(err)
		}
	}
	return s, ids, recs
}

func BenchmarkStore(b *testing.B) {
	ctx := context.Background()
	s, ids, recs := filled(b, 10_000)
	for name, do := range map[string]func(i int) error{
		"Read":  func(i int) error { _, err := s.Read(ctx, ids[i]); return err },
		"Write": func(i int) error { return s.Write(ctx, ids[i], recs[i], recs[i].Version) }, // applied already
		"Touch": func(i int) error { return s.Touch(ctx, ids[i], recs[i]) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if err := do(i % len(ids)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkChange writes a new version each time.
func BenchmarkChange(b *testing.B) {
	s, ids, recs := filled(b, 10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		rec := &recs[i%len(ids)]
		prev := rec.Version
		binary.BigEndian.PutUint64(rec.Version[8:], uint64(i+1))
		if err := s.Write(context.Background(), ids[i%len(ids)], *rec, prev); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGC looks for expired sessions among 100,000 that are alive.
func BenchmarkGC(b *testing.B) {
	s, _, _ := filled(b, 100_000)
	for b.Loop() {
		if n, err := s.GC(context.Background(), 1000); n != 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
