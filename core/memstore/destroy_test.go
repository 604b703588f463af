package memstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// DestroyVersion removes a session that has the version, and tells why else.
func TestDestroyVersion(t *testing.T) {
	t.Parallel()
	s := memstore.New(&memstore.Options{MaxSessions: 1})
	id, now := session.ID{9}, time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Hour, Payload: []byte("payload")}
	if err := s.DestroyVersion(t.Context(), id, rec.Version); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("of a session that is not there: %v", err)
	}
	if err := s.Write(t.Context(), id, rec, session.Version{}); err != nil {
		t.Fatal(err)
	}
	err := s.DestroyVersion(t.Context(), id, session.Version{2})
	conflict, ok := errors.AsType[*session.ConflictError](err)
	if !ok || !errors.Is(err, session.ErrConflict) || conflict.Newest.Version != rec.Version {
		t.Errorf("of another version: %v", err)
	}
	if err := s.DestroyVersion(t.Context(), id, rec.Version); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("it is read afterwards: %v", err)
	}
	if err := s.Write(t.Context(), session.ID{8}, rec, session.Version{}); err != nil {
		t.Errorf("its place is not free: %v", err)
	}
}
