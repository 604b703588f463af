package session_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// copied returns a store with the same records.
func copied(t *testing.T, from *memstore.Store) *memstore.Store {
	t.Helper()
	to := memstore.New(nil)
	for id, rec := range recordsOf(t, from) {
		if err := to.Write(t.Context(), id, rec, session.Version{}); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func recordsOf(t *testing.T, store *memstore.Store) map[session.ID]session.Record {
	t.Helper()
	records := map[session.ID]session.Record{}
	for id, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.Read(t.Context(), id)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			t.Fatal(err)
		}
		records[id] = rec
	}
	return records
}

// carry does what a fallback does with what two parts of it have made of one store: what only one has is taken over, what both
// have changed is merged.
func carry(t *testing.T, base, from, to *memstore.Store) {
	t.Helper()
	before, ours := recordsOf(t, base), recordsOf(t, to)
	for id, theirs := range recordsOf(t, from) {
		root, known := before[id]
		own, has := ours[id]
		switch {
		case !known:
			if err := to.Write(t.Context(), id, theirs, session.Version{}); err != nil {
				t.Fatal(err)
			}
		case has && own.Version != root.Version && theirs.Version != root.Version:
			merged, lost, err := session.MergePayload(root.Payload, own.Payload, theirs.Payload)
			if err != nil || lost {
				t.Errorf("merge: lost %v, %v", lost, err)
			}
			next := own
			next.Payload = merged
			next.Version[15]++
			if err := to.Write(t.Context(), id, next, own.Version); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// While two parts of a site do not see each other, one has a login and ends a session, and the other has a login and renews the
// session that the first has ended.
func TestIndexMerges(t *testing.T) {
	t.Parallel()
	a := memstore.New(nil)
	nodeA := newManager(t, shared{a}, session.Options{})
	v, h := logins(t, nodeA, "ann", 2)
	base := copied(t, a)
	b := copied(t, a)
	nodeB := newManager(t, shared{b}, session.Options{})

	inA, handleA := logins(t, nodeA, "ann", 1)
	if err := nodeA.EndSession(t.Context(), "ann", h[0]); err != nil {
		t.Fatal(err)
	}
	inB, handleB := logins(t, nodeB, "ann", 1)
	renewed := v[0].on(nodeB)
	if res := renewed.do(func(s *session.Session) { _ = s.Renew() }); res.StatusCode != http.StatusOK {
		t.Fatalf("renew: status %d", res.StatusCode)
	}

	carry(t, base, b, a)
	got := handlesOf(list(t, nodeA, "ann"))
	want := []string{h[1], handleA[0], handleB[0]}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
	if nameOf(inA[0]) != "ann" || nameOf(inB[0].on(nodeA)) != "ann" || nameOf(v[1]) != "ann" {
		t.Error("a session is lost")
	}
	if nameOf(v[0]) != "" || nameOf(renewed.on(nodeA)) != "" {
		t.Error("a session that was ended lives on under its new id")
	}
}
