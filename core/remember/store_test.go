package remember_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
	last    []byte // payload
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
	w.written, w.last = append(append(w.written, id[:]...), rec.Payload...), rec.Payload
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
	for _, payload := range []string{"\x01", "\x01s\xff", "\x00\x00", "\x01x\x00", "\x01s\x03ann", "\x01e\x02ab", "\x0dc01234567890a\x01{",
		"\x01e\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		v := issue(t, l, "ann")
		store.garbled = []byte(payload)
		refused(t, l, v, session.ErrNotFound)
		use(t, l, issue(t, l, "ann"), "ann")
		if store.garbled != nil {
			t.Errorf("%q was read, and is still there", payload)
		}
	}
}

// TestAtRest looks for the parts of cookies, and for the user, in what the store has seen.
func TestAtRest(t *testing.T) {
	t.Parallel()
	store := &watched{Handler: memstore.New(nil)}
	l := newLogins(t, store, remember.Options{})
	const user = "ann@example.org"
	v := issue(t, l, user)
	for _, value := range []string{v, use(t, l, v, user)} {
		raw := decode(t, value)
		for name, secret := range map[string][]byte{"locator": raw[:16], "key": raw[16:32], "validator": raw[32:], "user": []byte(user)} {
			for from := range len(secret) - 8 {
				for shape, part := range shapes(secret[from:]) {
					if bytes.Contains(store.written, part) {
						t.Fatalf("the store has the %s from byte %d on, %s", name, from, shape)
					}
				}
			}
		}
	}
	if sum := sha256.Sum256(decode(t, v)[32:]); !bytes.Contains(store.written, shapes(sum[:])["in base64"]) {
		t.Error("the test does not see what is written")
	}
}

// shapes are the forms that at least 8 bytes may have in a record.
func shapes(secret []byte) map[string][]byte {
	whole := len(secret) / 3 * 3 // base64 of which the beginning does not depend on what comes after
	return map[string][]byte{
		"raw":          secret[:8],
		"in hex":       []byte(hex.EncodeToString(secret[:8])),
		"in base64":    []byte(base64.StdEncoding.EncodeToString(secret[:whole])[:8]),
		"in base64url": []byte(base64.RawURLEncoding.EncodeToString(secret[:whole])[:8]),
	}
}

// TestMovedRecord has the store swap the records of two users, and what is in them.
func TestMovedRecord(t *testing.T) {
	t.Parallel()
	inner := memstore.New(nil)
	store := &watched{Handler: inner}
	l := newLogins(t, store, remember.Options{})
	v := issue(t, l, "ann")
	payload := store.last
	w := issue(t, l, "bob")
	store.garbled = payload
	moved := base64.RawURLEncoding.EncodeToString(append(decode(t, w)[:16], decode(t, v)[16:]...)) // bob's record, ann's credential
	for _, value := range []string{w, moved} {
		refused(t, l, value, session.ErrNotFound)
	}
	for i := range payload { // whatever is changed in a record, no other user comes out of it
		store.garbled = bytes.Clone(payload)
		store.garbled[i] ^= 1
		if login, err := l.Use(t.Context(), v); err == nil && login.Subject != "ann" {
			t.Fatalf("with byte %d changed the user is %q", i, login.Subject)
		}
		store.garbled = payload
	}
}

func decode(t *testing.T, value string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
