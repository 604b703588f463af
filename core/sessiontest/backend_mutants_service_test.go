package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// gcMutants collect too much or too little.
func gcMutants() []mutantTest {
	mutants := []mutantTest{
		{name: "gc ignores the limit", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, _ int) (int, error) { return m.full.GC(ctx, 1000) }
		}, fails: "gc-limit gc-twice"},
		{name: "gc hides what exceeds the limit", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, limit int) (int, error) {
				n, err := m.full.GC(ctx, 1000)
				return min(n, limit), err
			}
		}, fails: "gc-limit gc-twice"},
		{name: "gc does nothing", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, _ int) (int, error) { return 0, m.full.Ping(ctx) }
		}, fails: "gc-limit gc-twice"},
		{name: "gc stops early", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, limit int) (int, error) { return m.full.GC(ctx, min(limit, 2)) }
		}, fails: "gc-limit gc-twice"},
		{name: "gc never ends", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, limit int) (int, error) { return limit, m.full.Ping(ctx) }
		}, fails: "gc-frees gc-limit gc-live gc-twice"},
		{name: "two gcs fail", spoil: func(m *mutant) {
			m.gc = func(ctx context.Context, limit int) (int, error) {
				if _, busy := m.created.LoadOrStore("gc", true); busy {
					return 0, session.ErrUnavailable
				}
				defer m.created.Delete("gc")
				time.Sleep(time.Microsecond)
				return m.full.GC(ctx, limit)
			}
		}, fails: "gc-twice"},
		{name: "gc removes what was kept alive", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				m.created.LoadOrStore(id, rec)
				return m.full.Write(ctx, id, rec, prev)
			}
			m.gc = func(ctx context.Context, limit int) (int, error) {
				m.created.Range(func(id, first any) bool {
					rec := first.(session.Record)
					if _, err := m.full.Read(ctx, id.(session.ID)); err == nil && time.Now().After(rec.Deadline()) {
						_ = m.full.Destroy(ctx, id.(session.ID))
					}
					return true
				})
				return m.full.GC(ctx, limit)
			}
		}, fails: "gc-live"},
		{name: "gc removes the living", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				m.created.LoadOrStore(id, rec)
				return m.full.Write(ctx, id, rec, prev)
			}
			m.gc = func(ctx context.Context, limit int) (int, error) {
				n, err := m.full.GC(ctx, limit)
				m.created.Range(func(id, _ any) bool { return m.full.Destroy(ctx, id.(session.ID)) == nil })
				return n, err
			}
		}, fails: "close-busy context-ended context-ends gc-limit gc-live gc-twice"},
		{name: "an expired id is never free", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				_, err := m.full.Read(ctx, id)
				if _, taken := m.created.LoadOrStore(id, true); taken && prev.IsZero() && errors.Is(err, session.ErrNotFound) {
					return session.ErrExists
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "gc-frees lock-destroy lock-expired"},
		{name: "gc of a self-expiring store removes", spoil: func(m *mutant) {
			m.gc = func(context.Context, int) (int, error) { return 1, nil }
		}, selfExpires: true, fails: "gc-nothing"},
	}
	for i := range mutants {
		mutants[i].local = true // else the cases would feel each other's GC
	}
	return mutants
}

// serviceMutants give wrong answers when something is wrong.
func serviceMutants() []mutantTest {
	return []mutantTest{
		{name: "unavailable is absent", spoil: func(m *mutant) {
			m.failing(func(_ session.ID, _ session.Record, err error) error {
				if errors.Is(err, session.ErrUnavailable) {
					return session.ErrNotFound
				}
				return err
			})
		}, fails: "context-ended unavailable"},
		{name: "unavailable is empty", spoil: func(m *mutant) {
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if errors.Is(err, session.ErrUnavailable) {
					err = nil
				}
				return rec, err
			}
		}, fails: "context-ended unavailable"},
		{name: "unavailable is some error", spoil: func(m *mutant) {
			m.failing(func(_ session.ID, _ session.Record, err error) error {
				if errors.Is(err, session.ErrUnavailable) {
					return errors.New("connection refused")
				}
				return err
			})
		}, fails: "unavailable"},
		{name: "unavailable takes a minute", spoil: func(m *mutant) {
			m.failing(func(_ session.ID, _ session.Record, err error) error {
				if errors.Is(err, session.ErrUnavailable) {
					time.Sleep(time.Minute)
				}
				return err
			})
		}, fails: "context-ended errors-secret unavailable"},
		{name: "context is ignored", spoil: func(m *mutant) {
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				return m.full.Read(context.WithoutCancel(ctx), id)
			}
		}, fails: "context-ended"},
		{name: "waiting ignores the context", spoil: func(m *mutant) {
			m.interrupted(func() { time.Sleep(time.Minute) }, nil)
		}, fails: "context-ends"},
		{name: "interrupted is absent", spoil: func(m *mutant) {
			m.interrupted(func() {}, session.ErrNotFound)
		}, fails: "context-ends"},
		{name: "errors name the session", spoil: func(m *mutant) {
			m.failing(func(id session.ID, _ session.Record, err error) error {
				if err != nil {
					return fmt.Errorf("key %X: %w", id[:], err)
				}
				return nil
			})
		}, fails: "errors-secret"},
		{name: "errors show the payload", spoil: func(m *mutant) {
			m.failing(func(_ session.ID, rec session.Record, err error) error {
				if err != nil {
					return fmt.Errorf("SET %s: %w", rec.Payload, err)
				}
				return nil
			})
		}, fails: "errors-secret"},
		{name: "touch is unsupported", spoil: func(m *mutant) {
			m.touch = func(context.Context, session.ID, session.Record) error { return errors.ErrUnsupported }
		}, fails: `capabilities close-busy context-ended lock-plain race-destroy replica-follows
			retry-create touch touch-absent touch-deadline touch-earlier touch-expired touch-expires
			touch-other-version touch-race unavailable`},
		{name: "ping is unsupported", spoil: func(m *mutant) {
			m.ping = func(context.Context) error { return errors.ErrUnsupported }
		}, fails: "capabilities close-busy context-ended ping unavailable"},
		{name: "ping fails", spoil: func(m *mutant) {
			m.ping = func(context.Context) error { return session.ErrUnavailable }
		}, fails: "context-ended ping"},
		{name: "ping asks nobody", spoil: func(m *mutant) {
			m.ping = func(context.Context) error { return nil }
		}, fails: "context-ended unavailable"},
		{name: "empty payload panics", spoil: func(m *mutant) {
			m.stores(func(rec *session.Record) { _ = rec.Payload[0] })
		}, fails: "change payload-empty round-trip"},
		{name: "close does nothing", spoil: func(m *mutant) { m.close = func() error { return nil } }, fails: "close close-busy replica-error"},
		{name: "second close is an error", spoil: func(m *mutant) {
			m.close = func() error {
				if m.closed.Swap(true) {
					return session.ErrClosed
				}
				return nil
			}
		}, fails: "close"},
		{name: "closed is absent", spoil: func(m *mutant) {
			var closed atomic.Bool
			m.close = func() error { closed.Store(true); return nil }
			m.failing(func(_ session.ID, _ session.Record, err error) error {
				if closed.Load() {
					return session.ErrNotFound
				}
				return err
			})
		}, fails: "close close-busy replica-error"},
	}
}
