package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// secretOf is a key for tests, which every letter makes another one.
func secretOf(letter string) session.Secret { return session.Secret(strings.Repeat(letter, 32)) }

func ring(letters ...string) (keys []session.Secret) {
	for _, l := range letters {
		keys = append(keys, secretOf(l))
	}
	return keys
}

// bothWays are encryption with keys that need the token, and with keys that do not.
var bothWays = map[string]session.Encryption{
	"key":   {Keys: ring("a")},
	"token": {Keys: ring("a"), Token: true},
}

// tapped is a store whose records can be looked at, and changed on their way back.
type tapped struct {
	*memstore.Store
	mu      sync.Mutex
	written map[session.ID][]session.Record
	tamper  func(session.ID, session.Record) session.Record
	touched int
}

func newTapped() *tapped {
	return &tapped{Store: memstore.New(nil), written: make(map[session.ID][]session.Record)}
}

func (s *tapped) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := s.Store.Write(ctx, id, rec, prev)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		rec.Payload = bytes.Clone(rec.Payload)
		s.written[id] = append(s.written[id], rec)
	}
	return err
}

func (s *tapped) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	s.touched++
	return s.Store.Touch(ctx, id, rec)
}

func (s *tapped) Read(ctx context.Context, id session.ID) (session.Record, error) {
	rec, err := s.Store.Read(ctx, id)
	if s.tamper != nil && err == nil {
		rec = s.tamper(id, rec)
	}
	return rec, err
}

// last is what was written last of a visitor's session.
func (s *tapped) last(v *visitor) (session.ID, session.Record) {
	id, _ := session.ParseToken(strings.TrimPrefix(v.cookie, "__Host-session="))
	return id, s.written[id][len(s.written[id])-1]
}

// holds returns what the visitor finds in his session.
func holds(v *visitor, mode ...session.Mode) (got string) {
	v.do(func(s *session.Session) { got = user.Get(s) }, mode...)
	return got
}

func named(t testing.TB, store session.Handler, o session.Options, name string) *visitor {
	t.Helper()
	v := newVisitor(t, newManager(t, store, o))
	v.do(func(s *session.Session) { _ = user.Set(s, name) })
	return v
}

// Security rule D2: nothing of a session can be read in the store, and every way in which a request uses one works.
func TestD2EncryptedAtRest(t *testing.T) {
	t.Parallel()
	for name, how := range bothWays {
		store := newTapped()
		o := session.Options{Encryption: how}
		v := named(t, store, o, "alice in wonderland")
		v.do(func(s *session.Session) { _ = user.Update(s, func(u string) string { return u + "!" }) })
		v.do(func(s *session.Session) { _ = count.Set(s, 1) }, session.Exclusive)
		v.do(func(s *session.Session) { _, _ = s.Renew(), count.Set(s, 2) })
		other := v.on(newManager(t, store, o))
		var wait sync.WaitGroup
		for i := range 20 {
			node := v
			if i%2 > 0 {
				node = other
			}
			wait.Go(func() {
				node.do(func(s *session.Session) { _ = count.Update(s, func(n int) int { return n + 1 }) })
			})
		}
		wait.Wait()
		other.do(func(s *session.Session) {
			if user.Get(s) != "alice in wonderland!" || count.Get(s) != 22 {
				t.Errorf("%s: another node found %q and %d", name, user.Get(s), count.Get(s))
			}
		}, session.ReadOnly)
		for _, records := range store.written {
			for _, rec := range records {
				if rec.Successor.IsZero() && (!session.Sealed(rec.Payload) || bytes.Contains(rec.Payload, []byte("wonder")) || bytes.Contains(rec.Payload, []byte("user"))) {
					t.Errorf("%s: the store has a payload that can be read: %q", name, rec.Payload)
				}
			}
		}
		if got := holds(v.on(newManager(t, store, session.Options{Observer: session.Silent{}}))); got != "" {
			t.Errorf("%s: without the key somebody found %q", name, got)
		}
		if v.do(func(s *session.Session) { _ = s.Destroy() }); v.cookie != "" {
			t.Errorf("%s: no logout", name)
		}
	}
}

// Security rule D2: with Token neither the store nor the keys nor both are enough to read a session.
func TestD2HalfOfTheSecretIsInTheCookie(t *testing.T) {
	t.Parallel()
	for name, how := range bothWays {
		store, o := newTapped(), session.Options{Encryption: how}
		v := named(t, store, o, "alice")
		id, rec := store.last(v)
		payload, err := session.NewEnvelope(o).Open(id, rec)
		if how.Token && (!errors.Is(err, errors.ErrUnsupported) || bytes.Contains(payload, []byte("alice"))) {
			t.Errorf("%s: got %q and error %v, want errors.ErrUnsupported", name, payload, err)
		} else if !how.Token && (err != nil || !bytes.Contains(payload, []byte("alice"))) {
			t.Errorf("%s: got %q and error %v", name, payload, err)
		}
		o.Encryption.Token = !how.Token // a change of mind loses nobody
		if got := holds(v.on(newManager(t, store, o))); got != "alice" {
			t.Errorf("%s: with the other setting the visitor found %q", name, got)
		}
	}
}

// Security rule I9: a payload is worth nothing under another id, beside another version, or with another end.
func TestI9SwappedRecordsAreUnreadable(t *testing.T) {
	t.Parallel()
	for name, how := range bothWays {
		store := newTapped()
		o := session.Options{Encryption: how, Observer: session.Silent{}}
		ann, bob := named(t, store, o, "ann"), named(t, store, o, "bob")
		_, ofBob := store.last(bob)
		annID, first := store.last(ann)
		ann.do(func(s *session.Session) { _ = user.Set(s, "ann again") })
		versionMatters := ""
		if how.Token { // see Encryption.Token
			versionMatters = "ann"
		}
		for _, c := range []struct {
			what, want string
			tamper     func(session.Record) session.Record
		}{
			{"nothing", "ann again", func(r session.Record) session.Record { return r }},
			{"the record of another", "", func(session.Record) session.Record { return ofBob }},
			{"the payload of another", "", func(r session.Record) session.Record { r.Payload = ofBob.Payload; return r }},
			{"an old payload", versionMatters, func(r session.Record) session.Record { r.Payload = first.Payload; return r }},
			{"a later end", "", func(r session.Record) session.Record { r.Expires = r.Expires.Add(time.Hour); return r }},
			{"no end", "", func(r session.Record) session.Record { r.Expires = time.Time{}; return r }},
			{"an earlier beginning", "", func(r session.Record) session.Record { r.Created = r.Created.Add(-time.Hour); return r }},
			{"a touch", "ann again", func(r session.Record) session.Record { r.Seen = r.Seen.Add(time.Minute); return r }},
		} {
			store.tamper = func(id session.ID, rec session.Record) session.Record {
				if id == annID {
					return c.tamper(rec)
				}
				return rec
			}
			if got := holds(ann); got != c.want {
				t.Errorf("%s, %s was put in its place: got %q, want %q", name, c.what, got, c.want)
			}
		}
	}
}

// Security rule D2: every byte of what is stored counts.
func TestD2ChangedRecordIsUnreadable(t *testing.T) {
	t.Parallel()
	for name, how := range bothWays {
		store, events := newTapped(), &recorder{}
		v := named(t, store, session.Options{Encryption: how, Observer: events}, "zoe")
		_, rec := store.last(v)
		for i := range rec.Payload {
			store.tamper = func(_ session.ID, rec session.Record) session.Record {
				rec.Payload[i] ^= 0x41
				return rec
			}
			if got := holds(v); got != "" {
				t.Errorf("%s: with another byte %d the session holds %q", name, i, got)
			}
			store.tamper = func(_ session.ID, rec session.Record) session.Record {
				rec.Payload = rec.Payload[:i]
				return rec
			}
			if got := holds(v); got != "" {
				t.Errorf("%s: cut after %d bytes the session holds %q", name, i, got)
			}
		}
		if got, want := events.count(session.EventUndecodable), 2*len(rec.Payload); got != want {
			t.Errorf("%s: the Observer has heard of %d, want %d", name, got, want)
		}
		for _, e := range events.events {
			if text := fmt.Sprint(e); strings.Contains(text, "aaaa") || strings.Contains(text, "zoe") {
				t.Errorf("%s: an event shows a secret: %s", name, text)
			}
		}
	}
}

// Security rule D2: once encryption is on, plaintext is refused (CVE-2026-39324), but for a window that ends by itself. What
// is read in it is encrypted when it is kept alive.
func TestD2PlaintextIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newTapped()
		packed := session.Options{Compression: session.Compression{Method: new(session.Gzip), Threshold: -1}, Observer: session.Silent{}}
		visitors := map[string]*visitor{
			"plain":      named(t, store, session.Options{}, "ann"),
			"compressed": named(t, store, packed, strings.Repeat("ann", 100)),
			"not used":   named(t, store, session.Options{}, "ann"),
		}
		how := session.Options{Encryption: session.Encryption{Keys: ring("a")}, Observer: session.Silent{}}
		window := how
		window.Encryption.PlainUntil = time.Now().Add(10 * time.Minute)
		strict, lenient := newManager(t, store, how), newManager(t, store, window)
		for name, v := range visitors {
			if got := holds(v.on(strict)); got != "" {
				t.Errorf("%s: got %q from a session that is not encrypted", name, got)
			}
			if got := holds(v.on(lenient)); !strings.HasPrefix(got, "ann") {
				t.Errorf("%s: got %q in the window", name, got)
			}
		}
		time.Sleep(5 * time.Minute) // so that a touch is due
		for _, name := range []string{"plain", "compressed"} {
			holds(visitors[name].on(lenient), session.ReadOnly)
		}
		time.Sleep(5 * time.Minute)
		for name, v := range visitors {
			want := name != "not used"
			for which, m := range map[string]*session.Manager{"strict": strict, "lenient": lenient} {
				if got := holds(v.on(m)); want != strings.HasPrefix(got, "ann") {
					t.Errorf("%s: got %q from the %s node after the window", name, got, which)
				}
			}
		}
	})
}

// Security rule D2: the key can be changed, and nobody is logged out by that.
func TestD2KeyRingRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newTapped()
		v := named(t, store, session.Options{Encryption: session.Encryption{Keys: ring("a")}}, "ann")
		for _, keys := range [][]session.Secret{ring("a", "b"), ring("b", "a"), ring("b"), ring("c", "b"), ring("c")} {
			node := v.on(newManager(t, store, session.Options{Encryption: session.Encryption{Keys: keys}}))
			if got := holds(node); got != "ann" {
				t.Fatalf("with keys %d: got %q", len(keys), got)
			}
			time.Sleep(5 * time.Minute)
			holds(node) // keeps it alive, and seals it anew
			holds(node)
		}
		if id, _ := store.last(v); len(store.written[id]) != 3 || store.touched != 3 {
			t.Errorf("%d writes and %d touches, want 3: the first and one for each new key; and a touch where there is none",
				len(store.written[id]), store.touched)
		}
		if got := holds(v.on(newManager(t, store, session.Options{Encryption: session.Encryption{Keys: ring("a")}, Observer: session.Silent{}}))); got != "" {
			t.Errorf("the first key still reads %q", got)
		}
	})
}

// Nodes are replaced one after the other: those that have the keys do not use them before Begin.
func TestEncryptionBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().Add(time.Hour / 2)
		later := session.Options{Encryption: session.Encryption{Keys: ring("a"), Begin: begin, PlainUntil: begin.Add(time.Hour)}}
		store := newTapped()
		v := named(t, store, later, "ann")
		without := v.on(newManager(t, store, session.Options{}))
		if got := holds(without); got != "ann" {
			t.Errorf("before Begin a node without keys found %q", got)
		}
		time.Sleep(time.Hour / 2)
		holds(v)
		if _, rec := store.last(v); !session.Sealed(rec.Payload) {
			t.Error("after Begin the session was kept alive without encryption")
		}
		never := later // and back
		never.Encryption.Begin, never.Encryption.PlainUntil = begin.Add(100*time.Hour), begin.Add(200*time.Hour)
		time.Sleep(time.Minute * 5)
		back := v.on(newManager(t, store, never))
		if got := holds(back); got != "ann" {
			t.Errorf("found %q", got)
		}
		if got := holds(without); got != "ann" {
			t.Errorf("after the way back a node without keys found %q", got)
		}
	})
}

func TestSecretsShowNothing(t *testing.T) {
	t.Parallel()
	o := session.Options{Encryption: session.Encryption{Keys: ring("s")}, TokenMAC: session.TokenMAC{Keys: ring("s")}}
	text, _ := secretOf("s").MarshalText()
	for _, shown := range []string{fmt.Sprint(o), fmt.Sprintf("%#v %+v", o, o), string(text), secretOf("s").LogValue().String()} {
		if strings.Contains(shown, "sss") || strings.Contains(shown, "115, 115") || strings.Contains(shown, "115 115") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}
