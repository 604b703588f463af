package remember_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

// watched fails, changes and looks at what goes to a store.
type watched struct {
	session.Handler
	lose    int  // replies of writes that get lost
	down    bool // no call is answered
	corrupt bool
	garbled []byte // is read instead of any payload
	written []byte
}

func (w *watched) Read(ctx context.Context, id session.ID) (session.Record, error) {
	switch {
	case w.down:
		return session.Record{}, session.ErrUnavailable
	case w.corrupt:
		return session.Record{}, session.ErrCorrupt
	}
	rec, err := w.Handler.Read(ctx, id)
	if w.garbled != nil {
		rec.Payload = w.garbled
	}
	return rec, err
}

func (w *watched) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := w.Handler.Write(ctx, id, rec, prev)
	w.written = append(append(w.written, id[:]...), rec.Payload...)
	if w.lose > 0 {
		w.lose--
		return session.ErrUnavailable
	}
	return err
}

func (w *watched) Destroy(ctx context.Context, id session.ID) error {
	w.corrupt, w.garbled = false, nil
	return w.Handler.Destroy(ctx, id)
}

func TestTroubles(t *testing.T) {
	t.Parallel()
	store := &watched{Handler: memstore.New(nil)}
	l := newLogins(t, store, remember.Options{})
	v := issue(t, l, "ann")
	store.lose = 1
	next := use(t, l, v, "ann")
	store.lose = 2 // now the visitor gets an error, and comes back with what he has
	l2 := newLogins(t, store, remember.Options{Grace: -1})
	refused(t, l2, next, session.ErrUnavailable)
	next = use(t, l, next, "ann")

	store.down = true
	refused(t, l, next, session.ErrUnavailable)
	if err := l.EndAll(t.Context(), "ann"); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("end all: %v, want ErrUnavailable", err)
	}
	if gone, err := l.Forget(t.Context(), next); gone == nil || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("forget: %v, %v, want a cookie and ErrUnavailable", gone, err)
	}
	store.down = false
	use(t, l, next, "ann")

	store.corrupt = true // nobody is locked out for ever
	refused(t, l, next, session.ErrNotFound)
	use(t, l, issue(t, l, "ann"), "ann")
	if store.corrupt {
		t.Error("the corrupt record is still there")
	}
	for _, payload := range []string{"\x01", "\x01s\xff", "\x00\x00", "\x01x\x00", "\x01s\x03bob", "\x01e\x02ab", "\x0dc01234567890a\x01{",
		"\x01s\x03ann\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ""} {
		v := issue(t, l, "ann")
		store.garbled = []byte(payload)
		refused(t, l, v, session.ErrNotFound)
		use(t, l, issue(t, l, "ann"), "ann")
		if store.garbled != nil {
			t.Errorf("%q was read, and is still there", payload)
		}
	}
}

// TestAtRest looks for the parts of cookies in what the store has seen.
func TestAtRest(t *testing.T) {
	t.Parallel()
	store := &watched{Handler: memstore.New(nil)}
	l := newLogins(t, store, remember.Options{})
	v := issue(t, l, "ann")
	for _, value := range []string{v, use(t, l, v, "ann")} {
		for from := 38; from+8 <= len(value); from++ { // where the validator begins
			if bytes.Contains(store.written, []byte(value[from:from+8])) {
				t.Fatal("the store has the validator")
			}
		}
		raw := validator(t, value)
		if bytes.Contains(store.written, raw) || bytes.Contains(store.written, []byte(base64.StdEncoding.EncodeToString(raw))) {
			t.Fatal("the store has the validator")
		}
	}
	if !bytes.Contains(store.written, []byte("ann")) {
		t.Error("the test does not see what is written")
	}
}

// validator is the secret in the value of a cookie: its last 32 bytes.
func validator(t *testing.T, value string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) != 60 {
		t.Fatalf("the value has %d bytes, %v", len(raw), err)
	}
	return raw[28:]
}
