package goredis_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/nonstick-go/nonstick/backends/goredis"
)

func TestParseFields(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]struct {
		first, second string
		ok            bool
	}{
		"*2\r\n$1\r\na\r\n$2\r\nbc\r\n": {"a", "bc", true},
		"*2\r\n$1\r\na\r\n$-1\r\n":      {"a", "", true},
		"*2\r\n$1\r\na\r\n_\r\n":        {"a", "", true},
		"*2\r\n_\r\n_\r\n":              {"", "", true},
		"*2\r\n$0\r\n\r\n$-1\r\n":       {"", "", true},
		"*2\r\n$2\r\n\r\n\r\n_\r\n":     {"\r\n", "", true},
		"":                              {},
		"*2\r\n":                        {},
		"*1\r\n$1\r\na\r\n":             {},
		"*3\r\n_\r\n_\r\n_\r\n":         {},
		"-ERR no\r\n":                   {},
		"*2\r\n$1\r\na\r\n_\r\n_\r\n":   {},
		"*2\r\n$1\r\na\r\n:1\r\n":       {},
		"*2\r\n$2\r\na\r\n_\r\n":        {},
		"*2\r\n$9999999999\r\na\r\n":    {},
		"*2\r\n$-2\r\n_\r\n":            {},
		"*2\r\n$\r\n_\r\n":              {},
	} {
		first, second, ok := goredis.ParseFields([]byte(reply))
		if ok != want.ok || ok && (string(first) != want.first || string(second) != want.second) {
			t.Errorf("%q: got %q, %q, %v", reply, first, second, ok)
		}
	}
}

// FuzzParseFields looks for a panic, and for an answer that is understood in another way than it was meant.
func FuzzParseFields(f *testing.F) {
	f.Add([]byte("record"), []byte("1780000000000"), []byte("*2\r\n$1\r\na\r\n_\r\n"))
	f.Add([]byte("$-1\r\n"), []byte(""), []byte("*2\r\n$-1\r\n$18446744073709551615\r\n"))
	f.Fuzz(func(t *testing.T, a, b, noise []byte) {
		first, second, ok := goredis.ParseFields(fmt.Appendf(nil, "*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(a), a, len(b), b))
		if !ok || !bytes.Equal(first, a) || !bytes.Equal(second, b) {
			t.Errorf("%q and %q became %q and %q, %v", a, b, first, second, ok)
		}
		goredis.ParseFields(noise)
	})
}
