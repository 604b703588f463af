package filestore_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// List finds all sessions and nothing else that lies around, and says so when it cannot.
func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := filestore.New(dir, &filestore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[session.ID]bool)
	for i := range 600 {
		id := session.ID{byte(i), byte(i >> 8), 1}
		if err := s.Write(t.Context(), id, record("payload"), session.Version{}); err != nil {
			t.Fatal(err)
		}
		want[id] = true
	}
	gone := session.ID{7, 0, 1}
	if err := s.Destroy(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	delete(want, gone)
	if err := os.WriteFile(filepath.Join(dir, "07", "not a session"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(map[session.ID]bool)
	for id, err := range s.List(t.Context()) {
		if err != nil || got[id] {
			t.Fatalf("error %v, listed before: %v", err, got[id])
		}
		got[id] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %d sessions, want %d", len(got), len(want))
	}
	for range s.List(t.Context()) {
		break // an iteration may be given up
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range s.List(t.Context()) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, session.ErrClosed) }) {
		t.Errorf("after Close: got errors %v", errs)
	}
}
