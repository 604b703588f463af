package fallback_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// slowWords takes its time for a word of a node, and notes when one was there and when it was taken back.
type slowWords struct {
	session.Handler
	mu           sync.Mutex
	given, taken time.Time
}

func (s *slowWords) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	word := bytes.Contains(rec.Payload, []byte(`"past"`))
	if word {
		time.Sleep(1700 * time.Millisecond) // as when the node stands still
	}
	err := s.Handler.Write(ctx, id, rec, prev)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil || !bytes.Contains(rec.Payload, []byte(`"generation"`)):
	case word && s.given.IsZero():
		s.given = time.Now()
	case !word && !s.given.IsZero():
		s.taken = time.Now()
	}
	return err
}

// Whoever has read the state just before a word was there relies on that for a second. So the word is there for longer, however
// long it took to give it.
func TestSlowWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast, durable := sessiontest.NewFaulty(memstore.New(nil)), &slowWords{Handler: memstore.New(nil)}
		s, err := fallback.New(lasting{fast}, durable, &fallback.Options{Logger: quiet().Logger, Local: memstore.New(nil)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Second)
		fast.Before(sessiontest.OpWrite, 1, sessiontest.Fail)
		if err := s.Write(t.Context(), session.ID{1}, made(1, m{"a": "1"}), session.Version{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		durable.mu.Lock()
		defer durable.mu.Unlock()
		if stood := durable.taken.Sub(durable.given); durable.given.IsZero() || durable.taken.IsZero() || stood < time.Second {
			t.Errorf("the word was given at %v and taken back at %v", durable.given, durable.taken)
		}
	})
}
