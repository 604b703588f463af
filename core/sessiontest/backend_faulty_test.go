package sessiontest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// stored returns a Faulty store that holds one session.
func stored(t *testing.T) (f *sessiontest.Faulty, id session.ID, rec session.Record) {
	now := time.Now()
	id, rec = session.ID{1}, session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Hour}
	f = sessiontest.NewFaulty(memstore.New(nil))
	if err := f.Write(t.Context(), id, rec, session.Version{}); err != nil {
		t.Fatal(err)
	}
	return f, id, rec
}

func wantVersion(t *testing.T, f *sessiontest.Faulty, id session.ID, want byte) {
	t.Helper()
	rec, err := f.Read(t.Context(), id)
	if err != nil || rec.Version != (session.Version{want}) {
		t.Errorf("stored: version %d, error %v; want version %d", rec.Version[0], err, want)
	}
}

func TestFaultyBeforeAfter(t *testing.T) {
	t.Parallel()
	f, id, rec := stored(t)
	write := func(prev byte) error {
		next := rec
		next.Version = session.Version{prev + 1}
		return f.Write(t.Context(), id, next, session.Version{prev})
	}
	own := errors.New("own error")
	f.Before(sessiontest.OpWrite, 2, sessiontest.Fail)
	f.Before(sessiontest.OpWrite, 1, func(context.Context) error { return own })
	f.After(sessiontest.OpWrite, 1, sessiontest.Fail)
	for i, want := range []error{session.ErrUnavailable, session.ErrUnavailable, own} {
		if err := write(1); !errors.Is(err, want) {
			t.Errorf("write %d: got %v, want %v", i, err, want)
		}
		wantVersion(t, f, id, 1)
	}
	if err := write(1); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("write whose reply is lost: got %v, want ErrUnavailable", err)
	}
	wantVersion(t, f, id, 2)
	if err := write(2); err != nil {
		t.Errorf("undisturbed write: %v", err)
	}
	wantVersion(t, f, id, 3)
	if got := f.Calls(sessiontest.OpWrite); got != 6 {
		t.Errorf("Calls(OpWrite) = %d, want 6", got)
	}
}

func TestFaultyHeal(t *testing.T) {
	t.Parallel()
	f, id, rec := stored(t)
	ask := session.LockRequest{Token: session.LockToken{1}, Lease: time.Minute}
	acquire := func() error { _, err := f.Acquire(t.Context(), id, ask); return err }
	calls := map[sessiontest.Op]func() error{
		sessiontest.OpRead:    func() error { _, err := f.Read(t.Context(), id); return err },
		sessiontest.OpWrite:   func() error { return f.Write(t.Context(), id, rec, session.Version{}) },
		sessiontest.OpTouch:   func() error { return f.Touch(t.Context(), id, rec) },
		sessiontest.OpPing:    func() error { return f.Ping(t.Context()) },
		sessiontest.OpGC:      func() error { _, err := f.GC(t.Context(), 1); return err },
		sessiontest.OpDestroy: func() error { return f.Destroy(t.Context(), session.ID{2}) },

		sessiontest.OpAcquire:      acquire,
		sessiontest.OpWriteRelease: func() error { return f.WriteRelease(t.Context(), id, rec, session.Version{}, ask.Token) },
		sessiontest.OpExtend: func() error {
			_ = acquire()
			return f.Extend(t.Context(), id, ask.Token, time.Minute)
		},
		sessiontest.OpRelease: func() error { return f.Release(t.Context(), id, ask.Token) },
	}
	for op, call := range calls {
		began := f.Calls(op)
		f.Before(op, -1, sessiontest.Fail)
		for range 3 {
			if err := call(); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", op, err)
			}
		}
		f.Heal()
		if err := call(); err != nil {
			t.Errorf("%s after Heal: %v", op, err)
		}
		if got := f.Calls(op) - began; got != 4 {
			t.Errorf("Calls(%s) has grown by %d, want 4", op, got)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for op, call := range calls {
		if err := call(); !errors.Is(err, session.ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", op, err)
		}
	}
}

func TestFaultyLosesReadReply(t *testing.T) {
	t.Parallel()
	f, id, _ := stored(t)
	f.After(sessiontest.OpRead, 1, sessiontest.Fail)
	rec, err := f.Read(t.Context(), id)
	if !errors.Is(err, session.ErrUnavailable) || !rec.Version.IsZero() {
		t.Errorf("got version %x, error %v; want no record and ErrUnavailable", rec.Version, err)
	}
	f.After(sessiontest.OpAcquire, 1, sessiontest.Fail)
	lock, err := f.Acquire(t.Context(), id, session.LockRequest{Token: session.LockToken{1}, Lease: time.Minute})
	if !errors.Is(err, session.ErrUnavailable) || lock.Held || !lock.Record.Version.IsZero() {
		t.Errorf("got lock %v, error %v; want none and ErrUnavailable", lock.Held, err)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, id, _ := stored(t)
		gate := sessiontest.NewGate()
		f.Before(sessiontest.OpDestroy, -1, gate.Wait)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := f.Destroy(impatient, id); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call that gives up: got %v, want ErrUnavailable and DeadlineExceeded", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("a call that gives up took %v, want 1s", took)
		}
		result := make(chan error)
		go func() { result <- f.Destroy(t.Context(), id) }()
		<-gate.Arrived()
		synctest.Wait()
		wantVersion(t, f, id, 1)
		gate.Open()
		gate.Open()
		if err := <-result; err != nil {
			t.Errorf("a call that waited: %v", err)
		}
		if _, err := f.Read(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after the gate opened: got %v, want ErrNotFound", err)
		}
	})
}

// TestFaultyConforms shows that an undisturbed Faulty is as good a Handler as the one inside.
func TestFaultyConforms(t *testing.T) {
	t.Parallel()
	sessiontest.Run(t, sessiontest.Harness{
		Open: func(context.Context) (session.Handler, error) {
			return sessiontest.NewFaulty(copied{memstore.New(nil)}), nil
		},
		Local: true, Toucher: true, ReplicaReader: true, Pinger: true, Locker: true, Closer: true,
	})
}

func TestFaultyWithoutCapabilities(t *testing.T) {
	t.Parallel()
	f := sessiontest.NewFaulty(struct{ session.Handler }{memstore.New(nil)})
	if err := f.Touch(t.Context(), session.ID{1}, session.Record{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Touch: got %v, want ErrUnsupported", err)
	}
	if err := f.Ping(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Ping: got %v, want ErrUnsupported", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
