package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// BenchmarkScripts is what each verb costs, and so each script, on each client library, with a session of 1 KiB and one of
// 64 KiB, alone on a server. Compare runs with benchstat.
func BenchmarkScripts(b *testing.B) {
	r := servers.StartRedis(b, nil)
	for _, backend := range []struct {
		name string
		open func(string) (store, error)
	}{
		{"goredis", func(u string) (store, error) { return goredis.Open(u) }},
		{"redigo", func(u string) (store, error) { return redigo.Open(u) }},
	} {
		s, err := backend.open(withParams(b, r.URL(), patient))
		must(b, "Open", err)
		b.Cleanup(func() { _ = s.Close() })
		for _, size := range []int{1 << 10, 64 << 10} {
			for _, verb := range verbs(b, s, size) {
				b.Run(fmt.Sprintf("%s/%s/%dKiB", backend.name, verb.name, size>>10), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						must(b, verb.name, verb.call())
					}
				})
			}
		}
	}
}

// benchVerb is one call of a store, or a pair that leaves everything as it was.
type benchVerb struct {
	name string
	call func() error
}

func verbs(b *testing.B, s store, size int) []benchVerb {
	ctx := b.Context()
	var n ticks
	id, token := newID(), session.LockToken{1}
	rec := record(n.next(), strings.Repeat("x", size))
	ask := session.LockRequest{Token: token, Lease: time.Minute}
	must(b, "create", s.Write(ctx, id, rec, session.Version{}))
	// write stores a new version, by a verb that takes the one before.
	write := func(store func(next session.Record, prev session.Version) error) error {
		next := rec
		next.Version = n.next()
		err := store(next, rec.Version)
		rec.Version = next.Version
		return err
	}
	return []benchVerb{
		{"read", func() error { _, err := s.Read(ctx, id); return err }},
		{"read-absent", func() error { return wantAbsent(s.Read(ctx, session.ID{1})) }},
		{"create-destroy", func() error {
			fresh := newID()
			return errors.Join(s.Write(ctx, fresh, record(n.next(), string(rec.Payload)), session.Version{}), s.Destroy(ctx, fresh))
		}},
		{"destroy-absent", func() error { return s.Destroy(ctx, session.ID{1}) }},
		{"write", func() error {
			return write(func(next session.Record, prev session.Version) error { return s.Write(ctx, id, next, prev) })
		}},
		{"write-refused", func() error {
			err := s.Write(ctx, id, record(n.next(), string(rec.Payload)), session.Version{0xff})
			if errors.Is(err, session.ErrConflict) {
				return nil
			}
			return fmt.Errorf("not refused: %w", err)
		}},
		{"touch", func() error { return s.Touch(ctx, id, rec) }},
		{"acquire-release", func() error {
			_, err := s.Acquire(ctx, id, ask)
			return errors.Join(err, s.Release(ctx, id, token))
		}},
		{"acquire-extend-release", func() error {
			_, err := s.Acquire(ctx, id, ask)
			return errors.Join(err, s.Extend(ctx, id, token, time.Minute), s.Release(ctx, id, token))
		}},
		{"acquire-writerelease", func() error {
			_, err := s.Acquire(ctx, id, ask)
			return errors.Join(err, write(func(next session.Record, prev session.Version) error {
				return s.WriteRelease(ctx, id, next, prev, token)
			}))
		}},
		{"ping", func() error { return s.Ping(ctx) }},
	}
}

func wantAbsent(_ session.Record, err error) error {
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("not absent: %w", err)
}
