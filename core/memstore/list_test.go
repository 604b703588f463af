package memstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestList(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	for i := range byte(200) {
		if err := s.Write(t.Context(), session.ID{i}, record(1, time.Hour), session.Version{}); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[session.ID]bool)
	for id, err := range s.List(t.Context()) {
		if err != nil || got[id] {
			t.Fatalf("error %v, listed before: %v", err, got[id])
		}
		got[id] = true
		if err := s.Destroy(t.Context(), session.ID{255}); err != nil { // nothing is locked meanwhile
			t.Fatal(err)
		}
	}
	if len(got) != 200 {
		t.Errorf("got %d sessions, want 200", len(got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.List(t.Context()) {
		if !errors.Is(err, session.ErrClosed) {
			t.Errorf("after Close: got error %v", err)
		}
	}
}
