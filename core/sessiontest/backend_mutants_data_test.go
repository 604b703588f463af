package sessiontest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// dataMutants lose or mix data.
func dataMutants() []mutantTest {
	return []mutantTest{
		{name: "successor is lost", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { rec.Successor = session.ID{} })
		}, fails: "change round-trip"},
		{name: "times have hundredths", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { rec.Created = rec.Created.Truncate(10 * time.Millisecond) })
		}, fails: "round-trip"},
		{name: "payload is text", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { rec.Payload = []byte(strings.ToValidUTF8(string(rec.Payload), "?")) })
		}, fails: "payload-binary payload-large"},
		{name: "empty payload is an absent session", spoil: func(m *mutant) {
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if err == nil && len(rec.Payload) == 0 {
					return session.Record{}, session.ErrNotFound
				}
				return rec, err
			}
		}, fails: "change payload-empty round-trip"},
		{name: "large payload is cut", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { rec.Payload = rec.Payload[:min(len(rec.Payload), 1<<16)] })
		}, fails: "payload-large payload-too-large"},
		{name: "too large is cut", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { rec.Payload = rec.Payload[:min(len(rec.Payload), maxBytes)] })
		}, fails: "payload-too-large"},
		{name: "too large destroys", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if errors.Is(err, session.ErrTooLarge) {
					_ = m.full.Destroy(ctx, id)
				}
				return err
			}
		}, fails: "payload-too-large"},
		{name: "payload is kept, not copied in", spoil: func(m *mutant) {
			var given sync.Map // of what callers have passed, by version
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if err == nil && len(rec.Payload) > 0 && len(rec.Payload) < 100 {
					given.Store(rec.Version, rec.Payload)
				}
				return err
			}
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if payload, ok := given.Load(rec.Version); ok {
					rec.Payload = slices.Clone(payload.([]byte))
				}
				return rec, err
			}
		}, fails: "alias-in"},
		{name: "payload is used as a buffer", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				_ = append(rec.Payload, "crc"...)
				return err
			}
		}, fails: "alias-in"},
		{name: "payload is not copied out", spoil: func(m *mutant) {
			var last sync.Map // of what was returned, by version
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if payload, ok := last.LoadOrStore(rec.Version, rec.Payload); ok && err == nil {
					rec.Payload = payload.([]byte)
				}
				return rec, err
			}
		}, fails: "alias-out"},
		{name: "newest of a conflict is not copied out", spoil: func(m *mutant) {
			var last sync.Map // of the newest that were returned, by version
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
					last.Store(conflict.Newest.Version, conflict.Newest.Payload)
				}
				return err
			}
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if payload, ok := last.Load(rec.Version); ok && err == nil {
					rec.Payload = slices.Clone(payload.([]byte))
				}
				return rec, err
			}
		}, fails: "alias-conflict"},
		{name: "ids are cut", spoil: func(m *mutant) {
			m.rename(func(id session.ID) session.ID { clear(id[24:]); return id })
		}, fails: "replica-error replica-follows replica-forgets replica-other similar-ids"},
		{name: "ids end at a NUL", spoil: func(m *mutant) {
			m.rename(func(id session.ID) session.ID {
				if [3]byte(id[:3]) == [3]byte{} {
					clear(id[:])
				}
				return id
			})
		}, fails: "similar-ids"},
		{name: "a node caches what it reads", spoil: func(m *mutant) {
			var cache sync.Map
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				if rec, ok := cache.Load(id); ok && ctx.Err() == nil {
					return clone(rec.(session.Record)), nil
				}
				rec, err := m.full.Read(ctx, id)
				if err == nil {
					cache.Store(id, clone(rec))
				}
				return rec, err
			}
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				cache.Delete(id)
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: `change corrupt destroy expires-absolute expires-idle expires-seen-before lock-alias lock-takeover
			lock-write lock-write-conflict retry-create touch touch-race`},
		{name: "reading takes two steps", spoil: func(m *mutant) {
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				head, err := m.full.Read(ctx, id)
				if err != nil {
					return head, err
				}
				time.Sleep(time.Microsecond)
				data, err := m.full.Read(ctx, id)
				head.Payload = data.Payload
				return head, err
			}
		}, fails: "race-readers"},
		{name: "unknown session is empty", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if err == nil {
					m.created.Store(id, true)
				}
				return err
			}
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if _, known := m.created.Load(id); !known && errors.Is(err, session.ErrNotFound) {
					return session.Record{}, nil
				}
				return rec, err
			}
		}, fails: "change-absent lock-absent payload-too-large read-absent touch-absent write-past"},
		{name: "garbage is an absent session", spoil: func(m *mutant) {
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				if _, ok := m.garbled.Load(id); ok {
					return session.Record{}, session.ErrNotFound
				}
				return m.full.Read(ctx, id)
			}
		}, fails: "corrupt"},
	}
}
