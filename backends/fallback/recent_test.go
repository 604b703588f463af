package fallback_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// lateAnswers is a store whose answers to reads come late.
type lateAnswers struct {
	lasting
	by atomic.Int64
}

func (l *lateAnswers) Read(ctx context.Context, id session.ID) (session.Record, error) {
	rec, err := l.lasting.Read(ctx, id)
	time.Sleep(time.Duration(l.by.Load()))
	return rec, err
}

// A read that was under way when its session was ended on the same node does not bring it back for when neither store answers.
func TestEndedWhileRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast, durable := sessiontest.NewFaulty(memstore.New(nil)), sessiontest.NewFaulty(memstore.New(nil))
		late := &lateAnswers{lasting: lasting{fast}}
		s, err := fallback.New(late, lasting{durable}, &fallback.Options{Logger: quiet().Logger, Local: memstore.New(nil)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			fast.Heal()
			durable.Heal()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Second)
		ended, other := session.ID{1}, session.ID{2}
		for _, id := range []session.ID{ended, other} {
			if err := s.Write(t.Context(), id, made(1, m{"a": "1"}), session.Version{}); err != nil {
				t.Fatal(err)
			}
		}
		late.by.Store(int64(50 * time.Millisecond))
		read := make(chan error)
		go func() {
			_, err := s.Read(t.Context(), ended)
			read <- err
		}()
		time.Sleep(10 * time.Millisecond)
		late.by.Store(0)
		if err := s.Destroy(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err != nil {
			t.Fatalf("the read was to be quicker: %v", err)
		}
		fail(fast)
		fail(durable)
		notice(t, s)
		if rec, err := s.Read(t.Context(), other); err != nil || len(rec.Payload) == 0 {
			t.Errorf("a session that goes on: %v", err)
		}
		if _, err := s.Read(t.Context(), ended); err == nil {
			t.Error("the session that has ended is served")
		}
	})
}

// What one node has seen of a session that another one has ended since is not served when the cache has begun anew, and knows nothing of
// that any more, and the durable store does not answer.
func TestEndedElsewhereBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newApart(t)
		defer s.close(t)
		ended, other := session.ID{1}, session.ID{2}
		for _, id := range []session.ID{ended, other} {
			if err := s.nodes[0].Write(t.Context(), id, made(1, m{"a": "1"}), session.Version{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.nodes[1].Read(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.nodes[0].Destroy(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		s.lose(t, 0, s.fast[0])
		if err := s.nodes[0].Write(t.Context(), session.ID{3}, made(2, m{"a": "1"}), session.Version{}); err != nil { // so nobody believes the cache
			t.Fatal(err)
		}
		s.fast[0].Heal()
		time.Sleep(10 * time.Second)
		for _, n := range s.nodes {
			if !n.Status().Believed {
				t.Fatal("the cache has not begun anew")
			}
		}
		if _, err := s.nodes[1].Read(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		s.lose(t, 1, s.durable[1])
		if _, err := s.nodes[1].Read(t.Context(), other); err != nil {
			t.Errorf("a session that goes on: %v", err)
		}
		if rec, err := s.nodes[1].Read(t.Context(), ended); err == nil {
			t.Errorf("the session that has ended is served: %q", rec.Payload)
		}
		s.durable[1].Heal()
	})
}
