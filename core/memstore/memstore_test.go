package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

var _ interface {
	session.Handler
	session.Toucher
	session.Pinger
	io.Closer
} = (*memstore.Store)(nil)

func TestContract(t *testing.T) {
	sessiontest.Run(t, sessiontest.Harness{
		Open: func(context.Context) (session.Handler, error) {
			return memstore.New(&memstore.Options{MaxBytes: 2 << 20}), nil
		},
		Local:    true,
		Toucher:  true,
		Locker:   true,
		Pinger:   true,
		Closer:   true,
		MaxBytes: 2 << 20,
		TooLarge: 2<<20 + 1,
	})
}

func record(n byte, ttl time.Duration) session.Record {
	now := time.Now()
	return session.Record{Version: session.Version{n}, Created: now, Seen: now, TTL: ttl, Payload: []byte{n}}
}

// TestDeadline looks at both sides of a deadline, which only a fake clock can.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, id := memstore.New(nil), session.ID{1}
		rec := record(1, time.Minute)
		if err := s.Write(t.Context(), id, rec, session.Version{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Millisecond)
		if _, err := s.Read(t.Context(), id); err != nil {
			t.Errorf("1 ms before the deadline: %v", err)
		}
		time.Sleep(time.Millisecond)
		if _, err := s.Read(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Read at the deadline: got %v, want ErrNotFound", err)
		}
		rec.Seen = time.Now()
		if err := s.Touch(t.Context(), id, rec); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Touch at the deadline: got %v, want ErrNotFound", err)
		}
		if err := s.Write(t.Context(), id, record(2, time.Minute), rec.Version); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Write at the deadline: got %v, want ErrNotFound", err)
		}
	})
}

// TestGC collects exactly those that have expired, in whatever way their deadlines have moved.
func TestGC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 3000 // more than one sweep of each shard
		s := memstore.New(nil)
		ids := make([]session.ID, n)
		for i := range ids {
			ids[i] = session.ID{byte(i), byte(i >> 8), 1}
			rec := record(1, time.Duration(i+1)*time.Second)
			if err := s.Write(t.Context(), ids[i], rec, session.Version{}); err != nil {
				t.Fatal(err)
			}
			switch rec.Seen = rec.Seen.Add(time.Hour); i % 3 {
			case 1: // later
				if err := s.Touch(t.Context(), ids[i], rec); err != nil {
					t.Fatal(err)
				}
			case 2: // earlier
				if err := s.Write(t.Context(), ids[i], record(2, time.Duration(i+1)*time.Millisecond), rec.Version); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(n * time.Second / 2)
		want := n/3 + n/3/2 // all that end earlier, half of those that were left alone
		if got, err := s.GC(t.Context(), want-1); got != want-1 || err != nil {
			t.Errorf("GC(%d) = %d, %v", want-1, got, err)
		}
		if got, err := s.GC(t.Context(), n); got != 1 || err != nil {
			t.Errorf("second GC = %d, %v, want 1", got, err)
		}
		for i, id := range ids {
			_, err := s.Read(t.Context(), id)
			if alive := i%3 == 1 || i%3 == 0 && i >= n/2; alive != (err == nil) {
				t.Fatalf("session %d: alive %v, Read error %v", i, alive, err)
			}
		}
		time.Sleep(2 * time.Hour)
		if got, err := s.GC(t.Context(), n); got != n-want || err != nil {
			t.Errorf("last GC = %d, %v, want %d", got, err, n-want)
		}
	})
}

func TestMaxSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		s := memstore.New(&memstore.Options{MaxSessions: limit})
		create := func(i int) error {
			return s.Write(t.Context(), session.ID{byte(i)}, record(1, time.Duration(i+1)*time.Second), session.Version{})
		}
		for i := range limit {
			if err := create(i); err != nil {
				t.Fatal(err)
			}
		}
		if err := create(limit); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("one too many: got %v, want ErrUnavailable", err)
		}
		if err := s.Write(t.Context(), session.ID{7}, record(2, time.Hour), session.Version{1}); err != nil {
			t.Errorf("a change in a full store: %v", err)
		}
		if err := s.Destroy(t.Context(), session.ID{9}); err != nil {
			t.Error(err)
		}
		if err := create(limit); err != nil {
			t.Errorf("after a Destroy: %v", err)
		}
		time.Sleep(time.Second) // session 0 expires
		if err := create(limit + 1); err != nil {
			t.Errorf("after one has expired: %v", err)
		}
		if err := create(limit + 2); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("one too many again: got %v, want ErrUnavailable", err)
		}
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url  string
		good bool
	}{
		{"memory://", true},
		{"memory:", false}, // every store URL has ://
		{"memory://?max_sessions=10&max_bytes=4096", true},
		{"memory://?max_sessions=0", false},
		{"memory://?max_bytes=many", false},
		{"memory://?max_bytes=1&max_bytes=2", false},
		{"memory://?maxbytes=1", false},
		{"memory://host", false},
		{"memory://user:secret@", false},
		{"memory:///", false},
		{"memory:///path", false},
		{"memory:opaque", false},
		{"memory://#fragment", false},
	} {
		h, err := session.Open(t.Context(), test.url)
		if (err == nil) != test.good || (h != nil) != test.good {
			t.Errorf("Open(%q): got %v, %v", test.url, h != nil, err)
		}
	}
	h, err := session.Open(t.Context(), "memory://?max_bytes=1")
	if err != nil {
		t.Fatal(err)
	}
	rec := record(1, time.Hour)
	rec.Payload = make([]byte, 2)
	if err := h.Write(t.Context(), session.ID{1}, rec, session.Version{}); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("max_bytes=1: got %v, want ErrTooLarge", err)
	}
}

func TestAllocations(t *testing.T) {
	s, id := memstore.New(nil), session.ID{1}
	ctx := t.Context()
	rec, prev := record(1, time.Hour), session.Version{}
	n := byte(0)
	for _, test := range []struct {
		name string
		most float64
		do   func() error
	}{
		{"Write", 1, func() error {
			n++
			prev, rec.Version = rec.Version, session.Version{0, n}
			if n == 1 {
				prev = session.Version{}
			}
			return s.Write(ctx, id, rec, prev)
		}},
		{"Read", 1, func() error { _, err := s.Read(ctx, id); return err }},
		{"Touch", 0, func() error { return s.Touch(ctx, id, rec) }},
		{"GC", 0, func() error { _, err := s.GC(ctx, 10); return err }},
	} {
		var err error
		got := testing.AllocsPerRun(100, func() { err = errors.Join(err, test.do()) })
		if err != nil || got > test.most {
			t.Errorf("%s: %v allocations, want at most %v; error %v", test.name, got, test.most, err)
		}
	}
}

func Example() {
	store, err := session.Open(context.Background(), "memory://?max_sessions=100000")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Read(context.Background(), session.ID{1})
	fmt.Println(err)
	// Output: session not found
}
