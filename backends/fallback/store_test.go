package fallback_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

var (
	_ session.Handler = (*fallback.Store)(nil)
	_ session.Toucher = (*fallback.Store)(nil)
	_ session.Locker  = (*fallback.Store)(nil)
	_ session.Pinger  = (*fallback.Store)(nil)
	_ io.Closer       = (*fallback.Store)(nil)
)

// shared is a store that one of its users cannot close for the others.
type shared struct{ *memstore.Store }

func (shared) Close() error { return nil }

// broken is a store that never answers.
func broken() *sessiontest.Faulty {
	f := sessiontest.NewFaulty(memstore.New(nil))
	for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy, sessiontest.OpGC, sessiontest.OpTouch,
		sessiontest.OpPing, sessiontest.OpAcquire, sessiontest.OpWriteRelease, sessiontest.OpExtend, sessiontest.OpRelease} {
		f.Before(op, -1, sessiontest.Fail)
	}
	return f
}

func quiet() *fallback.Options { return &fallback.Options{Logger: slog.New(slog.DiscardHandler)} }

// TestConforms runs the suite with both stores, and without the fast one.
func TestConforms(t *testing.T) {
	t.Parallel()
	for name, fast := range map[string]func() session.Handler{
		"both": func() func() session.Handler {
			m := memstore.New(nil)
			return func() session.Handler { return shared{m} }
		}(),
		"no fast": func() session.Handler { return broken() },
	} {
		durable := memstore.New(&memstore.Options{MaxBytes: 1 << 21})
		t.Run(name, func(t *testing.T) {
			sessiontest.Run(t, sessiontest.Harness{
				Open:    func(context.Context) (session.Handler, error) { return fallback.New(fast(), shared{durable}, quiet()) },
				Toucher: true, Locker: true, Pinger: true, Closer: true, TooLarge: 1<<21 + 1,
				Broken: func(context.Context) (session.Handler, error) { return fallback.New(broken(), broken(), quiet()) },
			})
		})
	}
}

// TestConformsStandby runs the suite in the other mode.
func TestConformsStandby(t *testing.T) {
	t.Parallel()
	const most = 1 << 21
	fast, durable := memstore.New(&memstore.Options{MaxBytes: most}), memstore.New(nil)
	o := quiet()
	o.Mode = fallback.Standby
	sessiontest.Run(t, sessiontest.Harness{
		Open:    func(context.Context) (session.Handler, error) { return fallback.New(shared{fast}, shared{durable}, o) },
		Toucher: true, Locker: true, Pinger: true, Closer: true, TooLarge: most + 1,
		Broken: func(context.Context) (session.Handler, error) { return fallback.New(broken(), listed{broken()}, o) },
	})
}

// listed is a store that can be listed, and is empty.
type listed struct{ session.Handler }

func (listed) List(context.Context) iter.Seq2[session.ID, error] {
	return func(func(session.ID, error) bool) {}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]session.Handler{{nil, memstore.New(nil)}, {memstore.New(nil), nil}} {
		if _, err := fallback.New(pair[0], pair[1], nil); err == nil {
			t.Error("a Store without a store is made")
		}
	}
	for name, o := range map[string]fallback.Options{
		"a local store":   {Mode: fallback.Standby, Local: memstore.New(nil)},
		"RequireShared":   {Mode: fallback.Standby, RequireShared: true},
		"a list-less one": {Mode: fallback.Standby},
	} {
		durable := session.Handler(memstore.New(nil))
		if name == "a list-less one" {
			durable = broken()
		}
		if _, err := fallback.New(memstore.New(nil), durable, &o); err == nil {
			t.Errorf("Standby with %s is made", name)
		}
	}
}

// The fast store goes away and comes back: it is asked no more, changes go on, and in the end it is believed again.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fast := sessiontest.NewFaulty(memstore.New(nil))
		s, err := fallback.New(fast, memstore.New(nil), quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Second)
		expect := func(when string, want fallback.Status) {
			t.Helper()
			if got := s.Status(); got != want {
				t.Errorf("%s: got %+v, want %+v", when, got, want)
			}
		}
		expect("at first", fallback.Status{Serves: true, FastUp: true, DurableUp: true, Believed: true})
		id, rec := session.ID{1}, session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
		write := func(payload string) {
			t.Helper()
			prev := rec.Version
			if rec.Payload == nil {
				prev = session.Version{}
			}
			rec.Version[0]++
			rec.Payload = []byte(payload)
			if err := s.Write(t.Context(), id, rec, prev); err != nil {
				t.Fatalf("Write: %v", err)
			}
			if got, err := s.Read(t.Context(), id); err != nil || string(got.Payload) != payload {
				t.Fatalf("got %q and error %v, want %q", got.Payload, err, payload)
			}
		}
		write("before")
		fail(fast)
		for range 5 {
			write("meanwhile")
		}
		time.Sleep(4 * time.Second)
		expect("meanwhile", fallback.Status{Serves: true, DurableUp: true, Past: 1})
		asked := fast.Calls(sessiontest.OpRead)
		for range 100 {
			write("meanwhile")
		}
		if n := fast.Calls(sessiontest.OpRead); n != asked {
			t.Errorf("the fast store is asked %d times although it does not answer", n-asked)
		}
		fast.Heal()
		time.Sleep(10 * time.Second)
		expect("at last", fallback.Status{Serves: true, FastUp: true, DurableUp: true, Believed: true})
		write("after")
		if err := s.Destroy(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after Destroy: got error %v", err)
		}
	})
}
