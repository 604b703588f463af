package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// malformedPayloads are what no version of this package writes.
var malformedPayloads = map[string][]byte{
	"half a length":           {0x80},
	"length beyond the end":   {4, 'u', 's', 'e'},
	"name without value":      {4, 'u', 's', 'e', 'r'},
	"value beyond the end":    {4, 'u', 's', 'e', 'r', 9, '"', 'a', '"'},
	"value of half a length":  {4, 'u', 's', 'e', 'r', 0xff},
	"length of 2^63":          {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
	"length of 2^64 - 1":      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'x'},
	"length that never ends":  bytes.Repeat([]byte{0xff}, 20),
	"rubbish behind a frame":  append(session.AppendFrame(nil, "user", []byte(`"alice"`)), 0xee),
	"another format entirely": []byte(`{"user":"alice"}`),
}

func TestFrames(t *testing.T) {
	t.Parallel()
	var payload []byte
	want := map[string][]byte{}
	for i, n := range []int{0, 1, 127, 128, 300, 1 << 16} {
		name, value := fmt.Sprintf("%s%d", strings.Repeat("k", min(n, 250)), i), bytes.Repeat([]byte{byte(i), 0xff}, n)
		want[name] = value
		payload = session.AppendFrame(payload, name, value)
	}
	if err := session.CheckPayload(payload); err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if got, ok := session.FindFrame(payload, name); !ok || !bytes.Equal(got, value) {
			t.Errorf("%.10s: %v, %d bytes of %d", name, ok, len(got), len(value))
		}
	}
	for _, name := range []string{"", "k", "unknown", "\x00"} {
		if _, ok := session.FindFrame(payload, name); ok {
			t.Errorf("%q is found", name)
		}
	}
	if err := session.CheckPayload(nil); err != nil {
		t.Errorf("no frames: %v", err)
	}
	name, value, rest, ok := session.NextFrame(payload)
	if !ok || cap(name) != len(name) || cap(value) != len(value) || len(rest) == 0 {
		t.Error("what is appended to a part would run into the next one")
	}
}

func TestMalformedPayload(t *testing.T) {
	t.Parallel()
	for name, payload := range malformedPayloads {
		if err := session.CheckPayload(payload); !errors.Is(err, session.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if value, ok := session.FindFrame(payload, "nobody"); ok {
			t.Errorf("%s: found %q", name, value)
		}
	}
}

// stored puts a visitor's session with this very payload into store.
func stored(t *testing.T, store session.Handler, payload []byte) (token string) {
	t.Helper()
	token, _ = goodToken()
	id, _ := session.ParseToken(token)
	now := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Hour, Payload: payload}
	if err := store.Write(t.Context(), id, rec, session.Version{}); err != nil {
		t.Fatal(err)
	}
	return token
}

// A visitor whose stored session cannot be decoded gets a fresh one, at once and for good, and the Observer hears of it.
func TestUndecodableSessionIsFresh(t *testing.T) {
	t.Parallel()
	for name, payload := range malformedPayloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, store := &recorder{}, memstore.New(nil)
			m := newManager(t, store, session.Options{Observer: events})
			old := "__Host-session=" + stored(t, store, payload)
			v := newVisitor(t, m)
			v.cookie = old
			res := v.do(func(s *session.Session) {
				if !s.IsNew() || len(s.Names()) != 0 || user.Get(s) != "" {
					t.Errorf("new %v, names %q", s.IsNew(), s.Names())
				}
				_ = user.Set(s, "bob")
			})
			if res.StatusCode != http.StatusOK || v.cookie == old || events.count(session.EventUndecodable) != 1 {
				t.Errorf("%s, cookie renewed %v, events %v", res.Status, v.cookie != old, events.events)
			}
			v.do(func(s *session.Session) {
				if user.Get(s) != "bob" {
					t.Error("the fresh session was not kept")
				}
			})
			id, _ := session.ParseToken(strings.TrimPrefix(old, "__Host-session="))
			if rec, err := store.Read(t.Context(), id); err != nil || !bytes.Equal(rec.Payload, payload) {
				t.Errorf("what was stored is gone: %v", err)
			}
		})
	}
}

func TestRejectCorrupt(t *testing.T) {
	t.Parallel()
	for name, payload := range malformedPayloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, store := &recorder{}, memstore.New(nil)
			m := newManager(t, store, session.Options{Observer: events, RejectCorrupt: true})
			v := newVisitor(t, m)
			v.cookie = "__Host-session=" + stored(t, store, payload)
			res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
				s, err := session.Get(r.Context())
				if s != nil || !errors.Is(err, session.ErrCorrupt) {
					t.Errorf("got %v", err)
				}
				w.WriteHeader(session.StatusCode(err))
			})
			if res.StatusCode != http.StatusInternalServerError || res.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s, cookie %q", res.Status, res.Header.Get("Set-Cookie"))
			}
			if events.count(session.EventFailed) != 1 || events.count(session.EventUndecodable) != 0 {
				t.Errorf("events %v", events.events)
			}
		})
	}
}

// FuzzPayload reads and changes a session with any payload: nothing panics, a payload of whole frames keeps them all.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(nil), "user", []byte(`"x"`))
	f.Add(session.AppendFrame(session.AppendFrame(nil, "a", nil), "user", []byte("1")), "user", []byte{})
	f.Add([]byte{0, 0, 0, 0}, "", []byte{0})
	for _, payload := range malformedPayloads {
		f.Add(payload, "user", []byte("v"))
	}
	f.Fuzz(func(t *testing.T, payload []byte, name string, value []byte) {
		kept := bytes.Clone(payload)
		frames, used := 0, 0
		for rest := payload; ; frames++ {
			name, value, next, ok := session.NextFrame(rest)
			if !ok {
				break
			}
			if used += len(name) + len(value) + 2; used > len(payload) || len(next) >= len(rest) {
				t.Fatalf("frame %d is not a part of the payload", frames)
			}
			rest = next
		}
		whole := session.CheckPayload(payload) == nil
		if more := session.AppendFrame(bytes.Clone(payload), name, value); whole && name != "" {
			if err := session.CheckPayload(more); err != nil {
				t.Fatalf("one more frame: %v", err)
			}
			if got, ok := session.FindFrame(more, name); !ok {
				t.Fatal("a new frame is not found")
			} else if _, had := session.FindFrame(payload, name); !had && !bytes.Equal(got, value) {
				t.Fatalf("found %q, want %q", got, value)
			}
		}
		if !bytes.Equal(payload, kept) {
			t.Fatal("the payload was changed")
		}
	})
}
