package sessiontest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// TestMutants runs the suite against backends that are broken in one way each. Exactly the cases that are there to find
// it must fail: a case that misses its mutant is blind, and one that fails without reason would refuse good backends.
func TestMutants(t *testing.T) {
	t.Parallel()
	unseen := allCases(t)
	for _, test := range slices.Concat(writeMutants(), dataMutants(), lifeMutants(), gcMutants(), serviceMutants(), replicaMutants(),
		lockMutants(), lockWriteMutants(), lockQueueMutants(), lockLeaseMutants()) {
		want, perhaps := expected(test.fails)
		unseen = slices.DeleteFunc(unseen, func(name string) bool { return slices.Contains(want, name) })
		t.Run(strings.ReplaceAll(test.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // waiting costs nothing in a bubble
				failures := sessiontest.Failures(t.Context(), test.harness())
				time.Sleep(24 * time.Hour) // calls that ignore their context come to an end
				var got []string
				for _, f := range failures {
					if !slices.Contains(perhaps, f.Case) {
						got = append(got, f.Case)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("cases that fail:\n got %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
					for _, f := range failures {
						t.Logf("%s: %s", f.Case, f)
					}
				}
			})
		})
	}
	if len(unseen) > 0 {
		t.Errorf("no mutant proves that these cases can fail: %s", strings.Join(unseen, " "))
	}
}

// expected splits the cases that must fail from those that may, as they depend on who is faster.
func expected(fails string) (must, may []string) {
	for name := range strings.FieldsSeq(fails) {
		if chance, ok := strings.CutSuffix(name, "?"); ok {
			may = append(may, chance)
		} else {
			must = append(must, name)
		}
	}
	return must, may
}

// allCases returns the names of all cases, none of which can pass a backend that does not open.
func allCases(t *testing.T) (names []string) {
	h := mutantTest{}.harness()
	h.Open = func(context.Context) (session.Handler, error) { return nil, errors.New("no such backend") }
	h.Broken = h.Open
	expiring := h
	expiring.SelfExpires = true
	for _, f := range slices.Concat(sessiontest.Failures(t.Context(), h), sessiontest.Failures(t.Context(), expiring)) {
		if f.Rule == "" || !strings.Contains(f.String(), f.Rule) {
			t.Errorf("case %s does not print its rule", f.Case)
		}
		names = append(names, f.Case)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type mutantTest struct {
	name  string
	spoil func(m *mutant)
	fails string // the cases that must fail; those with a ? may

	local       bool // each handler has a store of its own
	selfExpires bool // declared
}

// writeMutants break the rules of Write.
func writeMutants() []mutantTest {
	return []mutantTest{
		{name: "nothing is broken", spoil: func(*mutant) {}, fails: ""},
		{name: "change ignores prev", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if prev.IsZero() {
					return m.full.Write(ctx, id, rec, prev)
				}
				return m.overwrite(ctx, id, rec)
			}
		}, fails: "alias-conflict change-conflict race-writers retry-overtaken"},
		{name: "creation overwrites", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if errors.Is(err, session.ErrExists) {
					return m.overwrite(ctx, id, rec)
				}
				return err
			}
		}, fails: "alias-conflict create-exists race-creators retry-overtaken"},
		{name: "change resurrects", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if errors.Is(err, session.ErrNotFound) && time.Now().Before(rec.Deadline()) {
					return m.full.Write(ctx, id, rec, session.Version{})
				}
				return err
			}
		}, fails: "change-absent change-expired destroy-late-write race-destroy"},
		{name: "repeated change is refused", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if cur, err := m.full.Read(ctx, id); err == nil && cur.Version == rec.Version && !prev.IsZero() {
					return session.ErrConflict
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "retry-change retry-create"},
		{name: "repeated creation is refused", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if cur, err := m.full.Read(ctx, id); err == nil && cur.Version == rec.Version && prev.IsZero() {
					return session.ErrExists
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "retry-change retry-create"},
		{name: "repeated write is applied again", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if cur, err := m.full.Read(ctx, id); err == nil && cur.Version == rec.Version {
					return errors.Join(m.full.Destroy(ctx, id), m.full.Write(ctx, id, rec, session.Version{}))
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "race-writers? retry-create"},
		{name: "change reads then writes", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || prev.IsZero() || cur.Version != prev {
					return m.full.Write(ctx, id, rec, prev)
				}
				time.Sleep(time.Microsecond)
				return m.overwrite(ctx, id, rec)
			}
		}, fails: "race-writers"},
		{name: "creation reads then writes", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if _, err := m.full.Read(ctx, id); !errors.Is(err, session.ErrNotFound) || !prev.IsZero() {
					return m.full.Write(ctx, id, rec, prev)
				}
				time.Sleep(time.Microsecond)
				if err := m.full.Write(ctx, id, rec, prev); !errors.Is(err, session.ErrExists) {
					return err
				}
				return m.overwrite(ctx, id, rec)
			}
		}, fails: "race-creators"},
		{name: "change in flight outlives Destroy", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || cur.Version != prev {
					return m.full.Write(ctx, id, rec, prev)
				}
				time.Sleep(time.Microsecond)
				err = m.full.Write(ctx, id, rec, prev)
				if errors.Is(err, session.ErrNotFound) && time.Now().Before(rec.Deadline()) {
					return m.full.Write(ctx, id, rec, session.Version{})
				}
				return err
			}
		}, fails: "race-destroy"},
		{name: "conflict returns the refused record as the newest", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
					conflict.Newest = rec
				}
				return err
			}
		}, fails: "change-conflict create-exists race-writers retry-overtaken"},
		{name: "conflict is both conflict and unavailable", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if err := m.full.Write(ctx, id, rec, prev); errors.Is(err, session.ErrConflict) {
					return errors.Join(session.ErrConflict, session.ErrUnavailable)
				} else {
					return err
				}
			}
		}, fails: "change-conflict race-writers retry-overtaken"},
		{name: "existing is a conflict", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if err := m.full.Write(ctx, id, rec, prev); errors.Is(err, session.ErrExists) {
					return session.ErrConflict
				} else {
					return err
				}
			}
		}, fails: "create-exists race-creators retry-overtaken"},
		{name: "refused change moves the deadline", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
					touched := conflict.Newest
					touched.Seen = touched.Seen.Add(time.Second)
					return errors.Join(err, m.full.Touch(ctx, id, touched))
				}
				return err
			}
		}, fails: "alias-conflict change-conflict create-exists race-creators retry-overtaken"},
		{name: "write compares half a version", spoil: func(m *mutant) {
			m.write = func(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
				if cur, err := m.full.Read(ctx, id); err == nil && [8]byte(cur.Version[:8]) == [8]byte(prev[:8]) {
					prev = cur.Version
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "change-conflict"},
	}
}
