package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// message is what the scripts publish, after the token.
func message(payload string) string {
	now := time.Now()
	rec := session.Record{Version: session.Version{7}, Created: now, Seen: now, Expires: now.Add(time.Hour), TTL: time.Hour, Payload: []byte(payload)}
	return "1780000000500 1000 1780000000123 " + string(session.AppendRecord(nil, &rec))
}

// When the lease of a lock ends that was handed over: the two clocks have nothing in common but that time goes on.
func TestHandedExpires(t *testing.T) {
	t.Parallel()
	const second = time.Second
	text := message("two words")
	for _, test := range []struct {
		name     string
		asked    time.Duration // ago
		answered int64
		want     time.Duration // from now, about
	}{
		{"at once", 0, 1_780_000_000_500, second},
		{"after half a second", second / 2, 1_780_000_000_000, second},
		{"late", 3 * second, 1_780_000_000_000, -3 * second / 2},
		{"the server's clock was set forward", second / 2, 1_770_000_000_000, second},
		{"the server's clock was set back", second / 2, 1_780_000_010_000, -9 * second},
	} {
		lock := redisstore.Handed(time.Now().Add(-test.asked), test.answered, text)
		if !lock.Held || string(lock.Record.Payload) != "two words" || lock.Record.Seen.UnixMilli() != 1_780_000_000_123 {
			t.Fatalf("%s: got %+v", test.name, lock)
		}
		if left := time.Until(lock.Expires); left > test.want || left < test.want-10*time.Second {
			t.Errorf("%s: the lease is certain for %v, want %v", test.name, left, test.want)
		}
	}
}

// FuzzHanded: a message that is not one of ours only calls the waiter, and is never a lock without an end.
func FuzzHanded(f *testing.F) {
	text := message("payload")
	for _, seed := range []string{
		"", " ", "1 2 3 4", text, strings.Replace(text, " 1780000000123 ", " - ", 1), strings.Replace(text, "1000", "x", 1),
		strings.Replace(text, "1000", "-1", 1), text[:len(text)-1], "99999999999999999999 1 - x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lock := redisstore.Handed(time.Now(), 1_780_000_000_000, text)
		if lock.Held && (lock.Expires.IsZero() || lock.Record.Version.IsZero()) {
			t.Errorf("got %+v", lock)
		}
		if redisstore.Handed(time.Now(), 0, text).Held {
			t.Error("a lock is handed to a waiter whose question is not answered")
		}
	})
}

// Who was called is forgotten: nobody need come back who was handed the lock, and so every hand-over would be remembered
// for ever.
func TestCalledIsForgotten(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"handed over": " " + message("payload"), "called only": ""} {
		if n := redisstore.Remembered(session.LockToken{7}, text); n != 0 {
			t.Errorf("%s: %d waiters are remembered", name, n)
		}
	}
}
