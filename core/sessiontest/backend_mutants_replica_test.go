package sessiontest_test

import (
	"context"
	"errors"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// replicaMutants read from something else than a copy.
func replicaMutants() []mutantTest {
	type read = func(ctx context.Context, id session.ID) (session.Record, error)
	spoil := func(change func(m *mutant, id session.ID, rec session.Record, err error) (session.Record, error)) func(*mutant) {
		return func(m *mutant) {
			m.replica = func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				return change(m, id, rec, err)
			}
		}
	}
	first := func(spoilt func(m *mutant, id session.ID, rec session.Record)) func(m *mutant) read {
		return func(m *mutant) read {
			return func(ctx context.Context, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if err == nil {
					spoilt(m, id, rec)
				}
				if shown, ok := m.created.Load(id); ok && ctx.Err() == nil {
					return clone(shown.(session.Record)), nil
				}
				return rec, err
			}
		}
	}
	never := first(func(m *mutant, id session.ID, rec session.Record) { m.created.LoadOrStore(id, clone(rec)) })
	dead := first(func(m *mutant, id session.ID, rec session.Record) { m.created.Store(id, clone(rec)) })
	return []mutantTest{
		{name: "replica never changes", spoil: func(m *mutant) { m.replica = never(m) }, fails: "replica-follows replica-forgets"},
		{name: "replica keeps the dead", spoil: func(m *mutant) { m.replica = dead(m) }, fails: "replica-forgets"},
		{name: "replica lags for an hour", spoil: spoil(func(_ *mutant, _ session.ID, rec session.Record, err error) (session.Record, error) {
			if err == nil && time.Since(rec.Created) < time.Hour {
				return session.Record{}, session.ErrNotFound
			}
			return rec, err
		}), fails: "replica-error replica-follows replica-forgets replica-other"},
		{name: "replica mixes sessions", spoil: spoil(func(m *mutant, _ session.ID, rec session.Record, err error) (session.Record, error) {
			if err == nil {
				if other, ok := m.created.LoadOrStore("one", rec); ok {
					rec.Payload = other.(session.Record).Payload
				}
			}
			return rec, err
		}), fails: "replica-error? replica-follows? replica-forgets? replica-other"},
		{name: "replica finds everything", spoil: spoil(func(_ *mutant, _ session.ID, rec session.Record, err error) (session.Record, error) {
			if errors.Is(err, session.ErrNotFound) {
				err = nil
			}
			return rec, err
		}), fails: "replica-forgets replica-other"},
		{name: "replica gives its own bytes", spoil: spoil(func(m *mutant, id session.ID, rec session.Record, err error) (session.Record, error) {
			if err == nil {
				own, _ := m.created.LoadOrStore(rec.Version, rec)
				rec.Payload = own.(session.Record).Payload
			}
			return rec, err
		}), fails: "replica-follows replica-other"},
		{name: "replica is unsupported", spoil: func(m *mutant) {
			m.replica = func(context.Context, session.ID) (session.Record, error) {
				return session.Record{}, errors.ErrUnsupported
			}
		}, fails: "capabilities replica-error replica-follows replica-forgets replica-other"},
		{name: "interrupted replica says absent", spoil: func(m *mutant) {
			m.replica = func(ctx context.Context, id session.ID) (session.Record, error) {
				if ctx.Err() != nil {
					return session.Record{}, session.ErrNotFound
				}
				return m.full.Read(ctx, id)
			}
		}, fails: "replica-error"},
		{name: "replica hangs", spoil: func(m *mutant) {
			m.replica = func(ctx context.Context, id session.ID) (session.Record, error) {
				if ctx.Err() != nil {
					time.Sleep(time.Minute)
				}
				return m.full.Read(ctx, id)
			}
		}, fails: "replica-error"},
	}
}
