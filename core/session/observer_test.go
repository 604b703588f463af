package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestEventKindsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for k := session.EventLoaded; k <= session.EventMoved; k++ {
		name := k.String()
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)?$`).MatchString(name) || seen[name] || fmt.Sprint(k) != name {
			t.Errorf("kind %d is called %q", uint8(k), name)
		}
		seen[name] = true
	}
	for _, k := range []session.EventKind{0, session.EventMoved + 1, 255} {
		if k.String() != "" {
			t.Errorf("kind %d is called %q", uint8(k), k)
		}
	}
}

// Event.Session joins the logs of nodes that share a key, and of no others.
func TestEventSession(t *testing.T) {
	t.Parallel()
	store := &keyed{Store: memstore.New(nil)}
	alice := newVisitor(t, newManager(t, shared{store}, session.Options{}))
	alice.do(func(s *session.Session) { _ = user.Set(s, "alice") })
	hash := func(v *visitor, key string) string {
		events := &recorder{}
		v.on(newManager(t, shared{store}, session.Options{Observer: events, LogKey: []byte(key)})).do(func(*session.Session) {})
		if len(events.events) != 1 {
			t.Fatalf("events %v", events.events)
		}
		return events.events[0].Session()
	}
	one := hash(alice, "shared key")
	if two := hash(alice, "shared key"); one != two {
		t.Errorf("two nodes with one key: %s and %s", one, two)
	}
	if other := hash(alice, "another key"); one == other {
		t.Error("the key makes no difference")
	}
	if hash(alice, "") == hash(alice, "") {
		t.Error("two nodes without a key have the same")
	}
	bob := newVisitor(t, newManager(t, shared{store}, session.Options{}))
	bob.do(func(s *session.Session) { _ = user.Set(s, "bob") })
	if one == hash(bob, "shared key") {
		t.Error("two sessions have one hash")
	}
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(one) || strings.Contains(string(store.ids[0].AppendHex(nil)), one) {
		t.Errorf("hash %q", one)
	}
	if got := (session.Event{Kind: session.EventFailed}).Session(); got != "" {
		t.Errorf("an event of no session has %q", got)
	}
}

func TestSlogObserver(t *testing.T) {
	t.Parallel()
	levels := map[session.EventKind]slog.Level{
		session.EventFailed: slog.LevelError, session.EventOverwritten: slog.LevelWarn, session.EventRefused: slog.LevelWarn,
		session.EventUndecodable: slog.LevelWarn, session.EventMisused: slog.LevelWarn, session.EventCreated: slog.LevelInfo,
		session.EventLockLost: slog.LevelError, session.EventLockRefused: slog.LevelWarn, session.EventLockBroken: slog.LevelWarn,
		session.EventRenewed: slog.LevelInfo, session.EventDestroyed: slog.LevelInfo, session.EventExpired: slog.LevelInfo,
	}
	for k := session.EventLoaded; k <= session.EventForged; k++ {
		var out bytes.Buffer
		o := session.SlogObserver{Logger: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		o.Observe(t.Context(), session.Event{Kind: k})
		o.Observe(t.Context(), session.Event{Kind: k, Op: "read", Key: "user", Tries: 3, Err: errors.New("boom")})
		level, ok := levels[k]
		if !ok {
			level = slog.LevelDebug
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for i, want := range []map[string]any{
			{"level": level.String(), "msg": "session " + k.String()},
			{"level": level.String(), "msg": "session " + k.String(), "op": "read", "key": "user", "tries": 3.0, "error": "boom"},
		} {
			var got map[string]any
			if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "time")
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", k, got, want)
			}
		}
		out.Reset()
		quiet := session.SlogObserver{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level + 1}))}
		if quiet.Observe(t.Context(), session.Event{Kind: k}); out.Len() > 0 {
			t.Errorf("%s is logged above %v: %s", k, level, &out)
		}
	}
	session.SlogObserver{}.Observe(t.Context(), session.Event{Kind: session.EventLoaded}) // the default Logger, at debug: nothing
}

// telling is a Handler that can be broken; it keeps the ids that it was given.
type telling struct {
	session.Handler
	mu     sync.Mutex
	ids    map[session.ID]bool
	broken error
}

func (h *telling) hear(id session.ID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids[id] = true
	return h.broken
}

func (h *telling) Read(ctx context.Context, id session.ID) (session.Record, error) {
	if err := h.hear(id); err != nil {
		return session.Record{}, err
	}
	return h.Handler.Read(ctx, id)
}

func (h *telling) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if err := h.hear(id); err != nil {
		return err
	}
	return h.Handler.Write(ctx, id, rec, prev)
}

func (h *telling) Destroy(ctx context.Context, id session.ID) error {
	if err := h.hear(id); err != nil {
		return err
	}
	return h.Handler.Destroy(ctx, id)
}

// both passes events to two Observers.
type both [2]session.Observer

func (b both) Observe(ctx context.Context, e session.Event) {
	b[0].Observe(ctx, e)
	b[1].Observe(ctx, e)
}

// life plays everything that can happen to a session, and returns all tokens that visitors had and all that they were told.
func life(t *testing.T, m *session.Manager, h *telling) (tokens []string, told string) {
	t.Helper()
	var text strings.Builder
	v := newVisitor(t, m)
	step := func(want int, use func(*session.Session)) {
		t.Helper()
		res := v.do(use)
		body, _ := io.ReadAll(res.Body)
		res.Header.Del("Set-Cookie")
		fmt.Fprintln(&text, string(body), res.Header)
		if _, token, ok := strings.Cut(v.cookie, "="); ok {
			tokens = append(tokens, token)
		}
		if res.StatusCode != want {
			t.Errorf("%s, want %d", res.Status, want)
		}
	}
	set := func(s *session.Session) { _ = user.Set(s, secret) }
	step(http.StatusOK, set)
	step(http.StatusOK, func(s *session.Session) { user.Get(s) })
	step(http.StatusOK, func(s *session.Session) { // two at once: a conflict, a merge, and a value overwritten
		old := user.Get(s)
		v.do(func(s *session.Session) { _ = user.Set(s, secret+"2") })
		_ = user.Set(s, old+"3")
	})
	step(http.StatusOK, func(s *session.Session) { session.NewKey[int]("user").Get(s) }) // undecodable value
	step(http.StatusOK, func(s *session.Session) { _ = s.Renew() })
	step(http.StatusInternalServerError, func(s *session.Session) { _ = session.NewKey[func()]("user").Set(s, nil) })
	late := v.cookie
	step(http.StatusConflict, func(s *session.Session) { // destroyed while the request runs
		_ = user.Set(s, secret+"4")
		v.do(func(s *session.Session) { _ = s.Destroy() })
	})
	v.cookie = late
	step(http.StatusOK, func(*session.Session) {}) // unknown
	v.cookie = "__Host-session=" + secret
	step(http.StatusOK, func(*session.Session) {}) // malformed
	v.cookie = ""
	step(http.StatusOK, set)
	var kept *session.Session
	step(http.StatusOK, func(s *session.Session) { kept = s })
	if err := user.Set(kept, secret); err == nil { // misused
		t.Error("a session was changed after its commit")
	}
	id, _ := session.ParseToken(tokens[len(tokens)-1])
	if err := h.Handler.Destroy(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	rec := sampleRecord()
	rec.Payload, rec.Seen, rec.Expires = []byte("\x04user\x99"+secret), rec.Seen.AddDate(100, 0, 0), rec.Expires.AddDate(100, 0, 0)
	if err := h.Handler.Write(t.Context(), id, rec, session.Version{}); err != nil {
		t.Fatal(err)
	}
	step(http.StatusOK, func(*session.Session) {}) // undecodable record
	v.cookie = ""
	step(http.StatusOK, set)
	h.broken = errors.New("dial tcp 127.0.0.1:6379: connection refused")
	step(http.StatusServiceUnavailable, func(*session.Session) {})
	v.cookie = ""
	step(http.StatusServiceUnavailable, set)
	return tokens, text.String()
}

// Nothing that an Observer hears, a log holds, or a visitor is told gives a token, an id, or a value away.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	level := &slog.HandlerOptions{Level: slog.LevelDebug}
	events := &recorder{}
	h := &telling{Handler: memstore.New(nil), ids: map[session.ID]bool{}}
	m := newManager(t, h, session.Options{Observer: both{events, both{
		session.SlogObserver{Logger: slog.New(slog.NewTextHandler(&log, level))},
		session.SlogObserver{Logger: slog.New(slog.NewJSONHandler(&log, level))},
	}}})
	tokens, told := life(t, m, h)
	heard := map[session.EventKind]bool{}
	var all strings.Builder
	for _, e := range events.events {
		heard[e.Kind] = true
		fmt.Fprintln(&all, e.Kind, e.Op, e.Key, e.Tries, e.Err, fmt.Sprintf("%+v %q", e.Err, e.Err), e.Session())
	}
	for k := session.EventLoaded; k <= session.EventFailed; k++ { // for those of locks see TestLocksLeakNothing
		if !heard[k] && k != session.EventExpired && k != session.EventTouched { // these two need a clock
			t.Errorf("%v did not happen", k)
		}
	}
	forms := []string{secret, base64.RawURLEncoding.EncodeToString([]byte(secret))}
	for _, token := range tokens {
		forms = append(forms, token[:min(len(token), 10)])
	}
	for id := range h.ids {
		forms = append(forms, idForms(id)...)
	}
	for name, text := range map[string]string{"an event": all.String(), "the log": log.String(), "a response": told} {
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s holds %q:\n%s", name, form, text)
			}
		}
	}
	if strings.Contains(told, "refused") || !strings.Contains(log.String(), "connection refused") {
		t.Error("the store's own words belong into the log, not into the response")
	}
}

// bySource counts unknown and malformed tokens by the source that the request's context names.
type bySource map[any]int

type sourceKey struct{}

func (b bySource) Observe(ctx context.Context, e session.Event) {
	if e.Kind == session.EventUnknown || e.Kind == session.EventMalformed {
		b[ctx.Value(sourceKey{})]++
	}
}

// Who guesses ids can be told from others.
func TestD8GuessesAreSeenBySource(t *testing.T) {
	t.Parallel()
	counts := bySource{}
	m := newManager(t, nil, session.Options{Observer: counts})
	honest := newVisitor(t, m)
	set(honest, "ann")
	for source, guesses := range map[string]int{"198.51.100.7": 20, "192.0.2.1": 2} {
		for i := range guesses {
			v := newVisitor(t, m)
			v.cookie = "__Host-session=" + strings.Repeat(string(rune('A'+i)), 42) + []string{"A", "?"}[i%2]
			v.serve(context.WithValue(t.Context(), sourceKey{}, source), func(_ http.ResponseWriter, r *http.Request) {
				if s, err := session.Get(r.Context()); err != nil || !s.IsNew() {
					t.Errorf("a guess: %v", err)
				}
			})
		}
	}
	honest.do(func(s *session.Session) { user.Get(s) })
	if want := (bySource{"198.51.100.7": 20, "192.0.2.1": 2}); !maps.Equal(counts, want) {
		t.Errorf("counts %v, want %v", counts, want)
	}
}
