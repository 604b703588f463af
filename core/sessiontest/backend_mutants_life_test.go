package sessiontest_test

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// lifeMutants let sessions live too long or too short.
func lifeMutants() []mutantTest {
	return []mutantTest{
		{name: "negative TTL lives for ever", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) {
				if rec.TTL < 0 {
					rec.TTL = 1000 * time.Hour
				}
			})
		}, fails: "write-past"},
		{name: "deadline is ignored", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) { rec.TTL, rec.Expires = 1000*time.Hour, time.Time{} })
		}, local: true, fails: `change-deadline change-expired expires-absolute expires-idle
			expires-seen-before gc-frees gc-limit gc-twice lock-expired replica-error replica-follows replica-forgets
			replica-other touch-expired touch-expires write-past`},
		{name: "Expires is ignored", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) { rec.Expires = time.Time{} })
		}, fails: "expires-absolute touch-expires write-past"},
		{name: "TTL counts from the write", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) { rec.Seen = time.Now() })
		}, fails: "expires-seen-before replica-follows write-past"},
		{name: "TTL has seconds", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) { rec.TTL = (rec.TTL + time.Second - 1).Truncate(time.Second) })
		}, local: true, fails: `change-deadline change-expired expires-idle expires-seen-before gc-frees gc-limit gc-twice
			lock-expired touch-expired`},
		{name: "TTL is 30 days at most", spoil: func(m *mutant) {
			m.showing(func(_ session.ID, rec *session.Record) {
				if rec.TTL > 30*24*time.Hour {
					rec.TTL = 0
				}
			})
		}, fails: "round-trip"},
		{name: "deadline never moves", spoil: func(m *mutant) {
			m.showing(func(id session.ID, rec *session.Record) {
				if first, ok := m.created.LoadOrStore(id, *rec); ok {
					rec.Seen, rec.TTL = first.(session.Record).Seen, first.(session.Record).TTL
				}
			})
		}, fails: "change-deadline gc-frees gc-live lock-expired replica-follows touch-deadline write-past"},
		{name: "reading keeps alive", spoil: func(m *mutant) {
			m.showing(func(session.ID, *session.Record) {})
			shown := m.read
			m.read = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := shown(ctx, id)
				if err == nil && time.Now().After(rec.Seen) {
					alive := rec
					alive.Seen = time.Now()
					_ = m.full.Touch(ctx, id, alive)
				}
				return rec, err
			}
		}, fails: "expires-idle expires-seen-before"},
		{name: "touch revives", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				err := m.full.Touch(ctx, id, rec)
				if errors.Is(err, session.ErrNotFound) {
					return m.full.Write(ctx, id, rec, session.Version{})
				}
				return err
			}
		}, fails: "race-destroy touch-absent touch-expired"},
		{name: "touch ignores the version", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				if cur, err := m.full.Read(ctx, id); err == nil {
					rec.Version = cur.Version
				}
				return m.full.Touch(ctx, id, rec)
			}
		}, fails: "touch-other-version"},
		{name: "touch goes back", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || cur.Version != rec.Version || !rec.Seen.Before(cur.Seen) {
					return m.full.Touch(ctx, id, rec)
				}
				cur.Seen = rec.Seen
				return errors.Join(m.full.Destroy(ctx, id), m.full.Write(ctx, id, cur, session.Version{}))
			}
		}, fails: "touch-earlier"},
		{name: "touch of an old version is a conflict", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				if cur, err := m.full.Read(ctx, id); err == nil && cur.Version != rec.Version {
					return session.ErrConflict
				}
				return m.full.Touch(ctx, id, rec)
			}
		}, fails: "context-ended race-destroy touch-other-version touch-race"},
		{name: "touch writes the payload", spoil: func(m *mutant) {
			m.showing(func(session.ID, *session.Record) {})
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				m.shown.Store(rec.Version, clone(rec))
				return m.full.Touch(ctx, id, rec)
			}
		}, fails: "touch touch-earlier"},
		{name: "touch makes a version", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || cur.Version != rec.Version {
					return err
				}
				cur.Version[15]++
				cur.Seen = rec.Seen
				if err = m.full.Write(ctx, id, cur, rec.Version); errors.Is(err, session.ErrConflict) {
					return nil
				}
				return err
			}
		}, fails: "lock-plain replica-follows retry-create touch touch-deadline touch-earlier touch-race"},
		{name: "touch does nothing", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, _ session.Record) error {
				_, err := m.full.Read(ctx, id)
				return err
			}
		}, fails: "lock-plain replica-follows retry-create touch touch-deadline touch-earlier"},
		{name: "touch reads then writes", spoil: func(m *mutant) {
			m.touch = func(ctx context.Context, id session.ID, rec session.Record) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || cur.Version != rec.Version {
					return err
				}
				time.Sleep(time.Microsecond)
				cur.Seen = rec.Seen
				if err := m.full.Touch(ctx, id, rec); err != nil {
					return err
				}
				if newest, err := m.full.Read(ctx, id); err == nil && newest.Version != cur.Version {
					return m.overwrite(ctx, id, cur)
				}
				return nil
			}
		}, fails: "touch-race"},
		{name: "destroy does nothing", spoil: func(m *mutant) {
			m.destroy = func(ctx context.Context, _ session.ID) error { return m.full.Ping(ctx) }
		}, fails: `corrupt destroy destroy-late-write lock-absent lock-corrupt lock-destroy
			many-sessions race-destroy replica-forgets touch-absent`},
		{name: "destroy comes later", spoil: func(m *mutant) {
			m.destroy = func(ctx context.Context, id session.ID) error {
				later := context.WithoutCancel(ctx)
				time.AfterFunc(time.Microsecond, func() { _ = m.full.Destroy(later, id) })
				return m.full.Ping(ctx)
			}
		}, fails: `corrupt destroy destroy-late-write lock-absent lock-corrupt lock-destroy many-sessions race-destroy
			touch-absent`},
		{name: "destroy of an absent session is an error", spoil: func(m *mutant) {
			m.destroy = func(ctx context.Context, id session.ID) error {
				if _, err := m.full.Read(ctx, id); err != nil {
					return err
				}
				return m.full.Destroy(ctx, id)
			}
		}, fails: "close-busy context-ended context-ends destroy-absent similar-ids"},
	}
}
