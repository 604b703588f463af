package goredis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

// A Store that cannot reach its server, or is closed, says so of locks as well, and its Close has nothing to wait for.
func TestLockWithoutServer(t *testing.T) {
	t.Parallel()
	h, err := session.Open(t.Context(), "redis://"+nobody+"?max_bytes=1000")
	if err != nil {
		t.Fatal(err)
	}
	s := h.(*goredis.Store)
	id, token := session.ID{1}, session.LockToken{1}
	alive := session.Record{Version: session.Version{2}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
	over, large := alive, alive
	over.TTL = -time.Hour
	large.Payload = make([]byte, 1000)
	write := func(rec session.Record) error { return s.WriteRelease(t.Context(), id, rec, session.Version{1}, token) }
	acquire := func(wait time.Duration) error {
		lock, err := s.Acquire(t.Context(), id, session.LockRequest{Token: token, Lease: time.Minute, Wait: wait})
		if lock.Held || lock.Wake != nil {
			t.Errorf("got %+v from nowhere", lock)
		}
		return err
	}
	calls := func() map[string]error {
		return map[string]error{
			"acquire": acquire(0), "wait": acquire(time.Minute), "write": write(alive),
			"extend": s.Extend(t.Context(), id, token, time.Minute), "release": s.Release(t.Context(), id, token),
		}
	}
	for name, err := range calls() {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s: got error %v, want %v", name, err, session.ErrUnavailable)
		}
	}
	if err := write(over); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("write past deadline: got error %v, want %v", err, session.ErrNotFound)
	}
	if err := write(large); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("write too large: got error %v, want %v", err, session.ErrTooLarge)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for name, err := range calls() {
		if !errors.Is(err, session.ErrClosed) {
			t.Errorf("%s after Close: got error %v, want %v", name, err, session.ErrClosed)
		}
	}
}
