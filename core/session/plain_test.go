package session_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// FuzzPlain says that what is spared encoding/json is what that would do.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{
		"", "ann", `"`, `""`, `"ann"`, `"a`, `a"`, `"a"b"`, `"\n"`, `"\u0041"`, "\"\x7f\"", "\"\n\"", `"<a&b>"`, `"é"`, "\"\xff\"",
		"0", "-0", "00", "01", "-01", "+1", "1", "-1", "-", "1e2", "1.0", " 1", "1 ", "1_0", "0x1", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "true", "false", "tru", "True", "null", "[]", "{}", `"ann" `,
	} {
		f.Add([]byte(seed), int64(len(seed))-10)
	}
	f.Add([]byte(nil), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, data []byte, n int64) {
		for _, v := range []any{string(data), int(n), n, n > 0, data} {
			want, err := json.Marshal(v)
			if got, ok := session.EncodePlain(v); ok && (err != nil || !bytes.Equal(got, want)) {
				t.Errorf("%T %v is encoded as %q, want %q, %v", v, v, got, want, err)
			}
		}
		decodesAs[string](t, data)
		decodesAs[int](t, data)
		decodesAs[int64](t, data)
		decodesAs[bool](t, data)
		decodesAs[[]byte](t, data)
	})
}

func decodesAs[T any](t *testing.T, data []byte) {
	var got, want T
	if !session.DecodePlain(data, &got) {
		return
	}
	err := json.Unmarshal(data, &want)
	if a, b := any(got), any(want); err != nil || a != b {
		t.Errorf("%q is decoded as %v, want %v, %v", data, a, b, err)
	}
}

// marshaler has a way of its own to be JSON.
type marshaler string

func (marshaler) MarshalJSON() ([]byte, error) { return []byte(`"named"`), nil }

func (n *marshaler) UnmarshalJSON([]byte) error {
	*n = "read"
	return nil
}

func TestTypesWithMethodsAreNotPlain(t *testing.T) {
	t.Parallel()
	key := session.NewKey[marshaler]("named")
	store := newRecording()
	v := newVisitor(t, newManager(t, store, session.Options{}))
	v.do(func(s *session.Session) { _ = key.Set(s, "ann") })
	if !store.holds(`"named"`) {
		t.Error("MarshalJSON was not called")
	}
	v.do(func(s *session.Session) {
		if got := key.Get(s); got != "read" {
			t.Errorf("got %q: UnmarshalJSON was not called", got)
		}
	})
}
