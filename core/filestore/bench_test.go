//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// BenchmarkRead reads a session that has been changed, so that its file has two records.
func BenchmarkRead(b *testing.B) {
	s, id, rec := benchStore(b, true)
	prev := rec.Version
	rec.Version = version()
	must(b, s.Write(b.Context(), id, rec, prev))
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

// BenchmarkWriteParallel has 64 goroutines change sessions, each its own ones, in turn. With "nosync" these are 10,000.
func BenchmarkWriteParallel(b *testing.B) {
	const clients = 64
	for name, each := range map[string]int{"synced": 1, "nosync": 10_000 / clients} {
		b.Run(name, func(b *testing.B) {
			s, _, rec := benchStore(b, name == "nosync")
			prev := make([][]session.Version, clients)
			idOf := func(client, i int) session.ID {
				return sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(client*each+i)))
			}
			for client := range prev {
				for i := range each {
					prev[client] = append(prev[client], create(b, s, idOf(client, i), string(rec.Payload)).Version)
				}
			}
			var started atomic.Int32
			b.SetParallelism(clients / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				client, rec := int(started.Add(1)-1)%clients, rec
				for n := 0; pb.Next(); n++ {
					rec.Version = version()
					if err := s.Write(b.Context(), idOf(client, n%each), rec, prev[client][n%each]); err != nil {
						b.Error(err)
						return
					}
					prev[client][n%each] = rec.Version
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
