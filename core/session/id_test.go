package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// tokenForm is what a token looks like: 256 bits in base64url, or 400 with a code; the last character carries four of them.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{42}([A-Za-z0-9_-]{24})?[AEIMQUYcgkosw048]$`)

// secretPart is what a token names its session with, whether or not a code is behind it.
func secretPart(token string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	return string(raw[:32])
}

func TestTokensAreUnique(t *testing.T) {
	t.Parallel()
	const n = 1_000_000        // ASVS 7.2.3
	heads := make([]uint64, n) // of the IDs: 64 bits are enough to tell that many apart
	var used [43][256]bool
	for i := range heads {
		token, err := session.NewToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, ok := session.ParseToken(token)
		if !ok {
			t.Fatalf("token %d cannot be parsed", i)
		}
		heads[i] = binary.NativeEndian.Uint64(id[:])
		if i >= 20_000 {
			continue
		}
		if !tokenForm.MatchString(token) {
			t.Fatalf("token %d has a wrong form", i)
		}
		for j := range token {
			used[j][token[j]] = true
		}
	}
	slices.Sort(heads)
	if len(slices.Compact(heads)) != n {
		t.Error("two tokens are the same")
	}
	for j := range used { // every character is used in every place: no bits stand still
		got, want := 0, 64
		for _, u := range used[j] {
			if u {
				got++
			}
		}
		if j == 42 {
			want = 16
		}
		if got != want {
			t.Errorf("%d different characters in place %d, want %d", got, j, want)
		}
	}
}

func goodToken() (token string, raw []byte) {
	raw = bytes.Repeat([]byte{0xfb, 0xef, 0xbe, 0xff}, 8) // both characters in which the alphabets differ
	return base64.RawURLEncoding.EncodeToString(raw), raw
}

func TestParseToken(t *testing.T) {
	t.Parallel()
	good, raw := goodToken()
	if id, ok := session.ParseToken(good); !ok || id != sha256.Sum256(raw) {
		t.Fatalf("a good token: %v", ok)
	}
	for _, c := range []struct{ name, token string }{
		{"empty", ""},
		{"one short", good[:42]},
		{"one long", good + "A"},
		{"padding", good + "="},
		{"padding inside", good[:42] + "="},
		{"standard alphabet", base64.RawStdEncoding.EncodeToString(raw)},
		{"standard alphabet, padded", base64.StdEncoding.EncodeToString(raw)},
		{"trailing bits", good[:42] + "9"}, // decodes to the same bytes without Strict
		{"hexadecimal", hex.EncodeToString(raw)},
		{"hexadecimal, cut", hex.EncodeToString(raw)[:43]},
		{"line feed inside", good[:20] + "\n" + good[21:]},
		{"line feed at the end", good[:42] + "\n"},
		{"line feed behind", good + "\n"},
		{"carriage return in front", "\r" + good[1:]},
		{"45 characters with a line break", good[:20] + "\r\n" + good[20:]},
		{"only line breaks", strings.Repeat("\n", 43)},
		{"NUL", good[:20] + "\x00" + good[21:]},
		{"space", " " + good[1:]},
		{"space in front", " " + good},
		{"quotes", `"` + good + `"`},
		{"quotes inside", `"` + good[:41] + `"`},
		{"letters of other scripts", good[:41] + "é"},
		{"wide letters", strings.Repeat("Ａ", 43)},
		{"broken UTF-8", good[:42] + "\xff"},
		{"high bit set", good[:20] + string(rune(good[20]|0x80)) + good[22:]},
		{"path", "../../../../../../../../../../../etc/passwdAA"},
		{"path of 43", "../../../../../../../../../../../etc/passwd"},
		{"SQL", "' OR '1'='1' --                           "},
		{"template", "${jndi:ldap://127.0.0.1/aaaaaaaaaaaaaaaaaa}"},
		{"very long", strings.Repeat("A", 1<<20)},
	} {
		if id, ok := session.ParseToken(c.token); ok || !id.IsZero() {
			t.Errorf("%s: %q is accepted", c.name, c.token[:min(len(c.token), 60)])
		}
	}
}

func FuzzParseToken(f *testing.F) {
	good, _ := goodToken()
	for _, seed := range []string{good, good[:24] + good, good[:42] + "9", good + "=", "\n" + good[1:], "", strings.Repeat("A", 43)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, ok := session.ParseToken(token)
		if ok != tokenForm.MatchString(token) || ok == id.IsZero() {
			t.Fatalf("accepted: %v", ok)
		}
		if !ok {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || id != sha256.Sum256(raw[:32]) {
			t.Fatalf("the ID is not the hash of the token: %v", err)
		}
		if base64.RawURLEncoding.EncodeToString(raw) != token {
			t.Fatal("two tokens name this session")
		}
	})
}

// keyed remembers under which ids something was stored.
type keyed struct {
	*memstore.Store
	ids []session.ID
}

func (k *keyed) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	k.ids = append(k.ids, id)
	return k.Store.Write(ctx, id, rec, prev)
}

// Who reads the keys of a store cannot use them as tokens.
func TestStoredKeyIsNoToken(t *testing.T) {
	t.Parallel()
	store := &keyed{Store: memstore.New(nil)}
	m := newManager(t, store, session.Options{})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "alice") })
	if len(store.ids) != 1 {
		t.Fatalf("%d sessions stored", len(store.ids))
	}
	id := store.ids[0]
	name, token, _ := strings.Cut(v.cookie, "=")
	for _, stolen := range []string{
		base64.RawURLEncoding.EncodeToString(id[:]), base64.URLEncoding.EncodeToString(id[:]), base64.RawStdEncoding.EncodeToString(id[:]),
		string(id.AppendHex(nil)), string(id.AppendHex(nil))[:43], string(id[:]), fmt.Sprint(id), fmt.Sprint(id[:]),
	} {
		if stolen == token {
			t.Fatal("the token is stored")
		}
		thief := &visitor{t: t, m: m, cookie: name + "=" + stolen}
		thief.do(func(s *session.Session) {
			if !s.IsNew() || user.Get(s) != "" {
				t.Errorf("%q opens the session", stolen)
			}
		})
	}
	v.do(func(s *session.Session) {
		if user.Get(s) != "alice" {
			t.Error("the visitor lost her session")
		}
	})
}

func sampleID() session.ID {
	token, _ := goodToken()
	id, _ := session.ParseToken(token)
	return id
}

// idForms are the forms in which an ID could leak into a text.
func idForms(id session.ID) []string {
	forms := []string{
		hex.EncodeToString(id[:4]), strings.ToUpper(hex.EncodeToString(id[:4])), base64.RawURLEncoding.EncodeToString(id[:])[:8],
		base64.RawStdEncoding.EncodeToString(id[:])[:8], string(id[:4]),
	}
	for _, f := range []string{"%d", "%x", "%#x", "%o", "%b", "%#v"} {
		text := fmt.Sprintf(f, id[:4])
		forms = append(forms, strings.Trim(text, "[]"), strings.ReplaceAll(strings.Trim(text, "[]"), " ", ","))
	}
	return forms
}

func TestIDDoesNotPrint(t *testing.T) {
	t.Parallel()
	id := sampleID()
	type wrapped struct {
		Name string
		ID   session.ID
	}
	for _, v := range []any{
		id, &id, wrapped{"x", id}, &wrapped{"x", id}, []session.ID{id}, [1]session.ID{id}, map[session.ID]int{id: 1},
		map[string]session.ID{"a": id}, []any{id}, struct{ session.ID }{id}, struct{ Any any }{id}, errors.Join(fmt.Errorf("%v", id)),
		session.Record{Successor: id},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%# x", "%d", "%o", "%b", "%c", "%U", "%e", "%t", "%100v", "%-5.2d"} {
			text := fmt.Sprintf(verb, v)
			for _, form := range idForms(id) {
				if strings.Contains(text, form) {
					t.Errorf("%s of a %T: %s", verb, v, text)
				}
			}
		}
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).With("with", id).WithGroup("g").Info("m", "id", id, "group", slog.GroupValue(slog.Any("id", id)), slog.Any("any", id))
	}
	for _, form := range idForms(id) {
		if strings.Contains(log.String(), form) {
			t.Errorf("the log shows the ID: %s", log.String())
		}
	}
	if want := "[session id]"; id.LogValue().String() != want || fmt.Sprint(id) != want {
		t.Errorf("%s, want %s", id, want)
	}
	if got := string(id.AppendHex([]byte("s:"))); got != "s:"+hex.EncodeToString(id[:]) {
		t.Errorf("AppendHex: %s", got)
	}
	if got := string(id.AppendBase64([]byte("s:"))); got != "s:"+base64.URLEncoding.EncodeToString(id[:]) {
		t.Errorf("AppendBase64: %s", got)
	}
	if id.IsZero() || !(session.ID{}).IsZero() {
		t.Error("IsZero")
	}
}

// A random source that fails is an error, never a weaker or an empty token (ASVS 11.5.2).
func TestRandomSourceFails(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]io.Reader{
		"error": iotest.ErrReader(errors.New("no entropy")), "short": bytes.NewReader(make([]byte, 31)), "empty": bytes.NewReader(nil),
	} {
		store := newCounting()
		m := newManager(t, store, session.Options{})
		session.SetRandom(m, source)
		res := newVisitor(t, m).serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Get(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = user.Set(s, "alice")
			_, _ = io.WriteString(w, "welcome")
		})
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode < 500 || strings.Contains(string(body), "welcome") || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %q with cookie %q", name, res.StatusCode, body, res.Header.Get("Set-Cookie"))
		}
		if calls := store.take(); calls["write"] > 0 {
			t.Errorf("%s: stored all the same: %v", name, calls)
		}
	}
}

// A random source that repeats itself never puts two visitors into one session.
func TestRandomSourceRepeats(t *testing.T) {
	t.Parallel()
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	events := &recorder{}
	m := newManager(t, nil, session.Options{Observer: events})
	session.SetRandom(m, bytes.NewReader(slices.Concat(first, first, second, first, second, first, second)))
	alice, bob, carol := newVisitor(t, m), newVisitor(t, m), newVisitor(t, m)
	alice.do(func(s *session.Session) { _ = user.Set(s, "alice") })
	if res := bob.do(func(s *session.Session) { _ = user.Set(s, "bob") }); res.StatusCode != http.StatusOK {
		t.Errorf("bob: %s", res.Status)
	}
	if alice.cookie == bob.cookie {
		t.Error("alice and bob share a token")
	}
	res := carol.do(func(s *session.Session) { _ = user.Set(s, "carol") }) // the source has nothing new for her
	if res.StatusCode != http.StatusInternalServerError || carol.cookie != "" {
		t.Errorf("carol: %s, cookie %q", res.Status, carol.cookie)
	}
	for want, v := range map[string]*visitor{"alice": alice, "bob": bob} {
		v.do(func(s *session.Session) {
			if got := user.Get(s); got != want {
				t.Errorf("%s finds the session of %q", want, got)
			}
		})
	}
	if events.count(session.EventCreated) != 2 || events.count(session.EventFailed) != 1 {
		t.Errorf("events: %v", events.events)
	}
}
