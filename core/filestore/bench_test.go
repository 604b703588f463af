//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

func BenchmarkRead(b *testing.B) {
	s, id, _ := benchStore(b, true)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Read(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAbsent(b *testing.B) {
	s, id, _ := benchStore(b, true)
	id[31] ^= 1
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Read(b.Context(), id); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, noSync := range map[string]bool{"synced": false, "nosync": true} {
		b.Run(name, func(b *testing.B) {
			s, id, rec := benchStore(b, noSync)
			b.ReportAllocs()
			for b.Loop() {
				prev := rec.Version
				rec.Version = version()
				if err := s.Write(b.Context(), id, rec, prev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteParallel has 64 goroutines that each change a session of their own.
func BenchmarkWriteParallel(b *testing.B) {
	for name, noSync := range map[string]bool{"synced": false, "nosync": true} {
		b.Run(name, func(b *testing.B) {
			s, _, rec := benchStore(b, noSync)
			var workers atomic.Uint64
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				rec, prev := rec, session.Version{}
				id := session.ID(sha256.Sum256(binary.BigEndian.AppendUint64(nil, workers.Add(1))))
				for pb.Next() {
					rec.Version = version()
					if err := s.Write(b.Context(), id, rec, prev); err != nil {
						b.Error(err)
						return
					}
					prev = rec.Version
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func BenchmarkTouch(b *testing.B) {
	s, id, rec := benchStore(b, true)
	b.ReportAllocs()
	for b.Loop() {
		rec.Seen = rec.Seen.Add(time.Millisecond)
		if err := s.Touch(b.Context(), id, rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDestroyAbsent(b *testing.B) {
	s, id, _ := benchStore(b, true)
	id[31] ^= 1
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Destroy(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}

// benchStore returns a store with one session of 1 KiB.
func benchStore(b *testing.B, noSync bool) (*filestore.Store, session.ID, session.Record) {
	b.Helper()
	s, _ := newStore(b, &filestore.Options{NoSync: noSync})
	id := session.ID{1, 2, 3}
	return s, id, create(b, s, id, strings.Repeat("x", 1024))
}

// BenchmarkAcquireWriteRelease is what a change under a lock costs that nobody else wants; compare BenchmarkWrite.
func BenchmarkAcquireWriteRelease(b *testing.B) {
	for name, noSync := range map[string]bool{"synced": false, "nosync": true} {
		b.Run(name, func(b *testing.B) {
			s, id, rec := benchStore(b, noSync)
			r := ask("/", time.Minute)
			b.ReportAllocs()
			for b.Loop() {
				mustHold(b, s, id, r)
				prev := rec.Version
				rec.Version = version()
				if err := s.WriteRelease(b.Context(), id, rec, prev, r.Token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAcquireWaiting is the question of a waiter whose turn has not come.
func BenchmarkAcquireWaiting(b *testing.B) {
	s, id, _ := benchStore(b, true)
	mustHold(b, s, id, ask("/holder", time.Hour))
	r := ask("/waiter", time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		if lock, err := s.Acquire(b.Context(), id, r); err != nil || lock.Held {
			b.Fatal(lock.Held, err)
		}
	}
}
