package redisstore_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/session"
)

var _ session.Locker = (*redisstore.Store)(nil)

// holders are those who may hold a lock. Method and path come from anybody on the Internet.
var holders = map[string]session.Holder{
	"usual":     {Method: "POST", Path: "/orders/17", Node: "web-1"},
	"nobody":    {},
	"path only": {Path: "/"},
	"node only": {Node: "web-1"},
	"odd bytes": {Method: "\x00", Path: "/\xff;\r\n @-|", Node: "\x80\x00"},
	"letters":   {Method: "GET", Path: "/größe/大", Node: "knoten-ä"},
	"separator": {Method: ";", Path: " a b 1 2 c;@5", Node: "@"},
	"limits":    {Method: strings.Repeat("M", 20), Path: strings.Repeat("/", 200), Node: strings.Repeat("n", 100)},
	"too long":  {Method: strings.Repeat("M", 1<<16), Path: strings.Repeat("/p", 1<<16), Node: strings.Repeat("n", 1<<16)},
}

// word is what the scripts can keep in a field among others: no blank, no semicolon, no at sign, and at least one letter.
var word = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func TestHolderEncoding(t *testing.T) {
	t.Parallel()
	const at = 1_780_000_000_000 // by the server's clock, which is not ours
	for name, h := range holders {
		text := redisstore.EncodeHolder(h)
		if !word.MatchString(text) || text == "-" { // - stands for nobody in the scripts
			t.Errorf("%s: %.40q is no word", name, text)
		}
		got := redisstore.HolderOf(text+"@1780000000000", int64(at+90_000))
		if ago := time.Since(got.Since); ago < 90*time.Second || ago > 2*time.Minute {
			t.Errorf("%s: has it for %v, want 90s", name, ago)
		}
		if got.Since = (time.Time{}); got != h {
			t.Errorf("%s: got %.80q", name, got)
		}
	}
}

// What no encoded holder is becomes a holder without a text, and never a panic: somebody may write into the store.
func TestHolderGarbage(t *testing.T) {
	t.Parallel()
	encoded := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	const now = int64(1_780_000_000_000)
	for name, field := range map[string]any{
		"absent":                nil,
		"number":                int64(7),
		"list":                  []any{"x"},
		"empty":                 "",
		"dash":                  "-",
		"blank":                 " @1",
		"no base64":             "!!!!@1780000000000",
		"padded":                "AAAA==@1780000000000",
		"no length":             encoded("") + "@1",
		"text cut":              encoded("\x05POS"),
		"path missing":          encoded("\x04POST"),
		"node missing":          encoded("\x04POST\x01/"),
		"node cut":              encoded("\x04POST\x01/\x02n"),
		"length of 2^63":        encoded("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x"),
		"length of 2^64-1":      encoded("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
		"length that overflows": encoded("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),
		"length without end":    encoded("\xff\xff"),
	} {
		if got := redisstore.HolderOf(field, now); got != (session.Holder{}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	good := redisstore.EncodeHolder(session.Holder{Node: "web-1"})
	for name, c := range map[string]struct {
		field string
		now   any
	}{
		"no since":        {good, now},
		"empty since":     {good + "@", now},
		"since no number": {good + "@yesterday", now},
		"since too large": {good + "@99999999999999999999", now},
		"no now":          {good + "@1780000000000", nil},
		"now no number":   {good + "@1780000000000", "now"},
	} {
		if got := redisstore.HolderOf(c.field, c.now); got != (session.Holder{Node: "web-1"}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// FuzzHolderOf looks for a panic, and for a holder that is understood in another way than it was meant.
func FuzzHolderOf(f *testing.F) {
	for _, h := range holders {
		if len(h.Path) <= 200 {
			f.Add(h.Method, h.Path, h.Node, redisstore.EncodeHolder(h)+"@1780000000000", int64(1_780_000_000_000))
		}
	}
	f.Add("", "", "", "AAAA@-9223372036854775808", int64(1<<63-1))
	f.Add("", "", "", base64.RawURLEncoding.EncodeToString([]byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x"))+"@1", int64(-1))
	f.Fuzz(func(t *testing.T, method, path, node, noise string, now int64) {
		h := session.Holder{Method: method, Path: path, Node: node}
		text := redisstore.EncodeHolder(h)
		if !word.MatchString(text) {
			t.Errorf("%+v: %q is no word", h, text)
		}
		if got := redisstore.HolderOf(text, now); got != h {
			t.Errorf("%+v became %+v", h, got)
		}
		got := redisstore.HolderOf(noise, now)
		if size := len(got.Method) + len(got.Path) + len(got.Node); size > len(noise) {
			t.Errorf("%d bytes came from %q", size, noise)
		}
	})
}
