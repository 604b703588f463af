package redisstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

func TestParseSlots(t *testing.T) {
	t.Parallel()
	node := func(host any, port any) []any { return []any{host, port, "id"} }
	for name, test := range map[string]struct {
		reply any
		want  string // empty for an error
	}{
		"one": {[]any{[]any{int64(0), int64(16383), node("a", int64(1))}}, "[{0 16383 [a:1]}]"},
		"replicas": {
			[]any{
				[]any{int64(0), int64(5), node("a", int64(1)), node("::1", int64(2)), node("", int64(3))},
				[]any{int64(6), int64(9), node(nil, int64(4)), node("?", int64(5))},
			}, "[{0 5 [a:1 [::1]:2 asked:3]} {6 9 [asked:4 asked:5]}]",
		},
		"no cluster":    {[]any{}, ""},
		"no array":      {"OK", ""},
		"nil":           {nil, ""},
		"no master":     {[]any{[]any{int64(0), int64(5)}}, ""},
		"no range":      {[]any{[]any{"0", int64(5), node("a", int64(1))}}, ""},
		"too far":       {[]any{[]any{int64(0), int64(16384), node("a", int64(1))}}, ""},
		"negative":      {[]any{[]any{int64(-1), int64(5), node("a", int64(1))}}, ""},
		"no port":       {[]any{[]any{int64(0), int64(5), node("a", "1")}}, ""},
		"node is short": {[]any{[]any{int64(0), int64(5), []any{"a"}}}, ""},
		"no node":       {[]any{[]any{int64(0), int64(5), "a"}}, ""},
	} {
		got, err := redisstore.ParseSlots(test.reply, "asked:7000")
		if (err != nil) != (test.want == "") || err == nil && fmt.Sprint(got) != test.want {
			t.Errorf("%s: got %v and error %v, want %s", name, got, err, test.want)
		}
	}
}

func TestRedirection(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ kind, to string }{
		"MOVED 3999 127.0.0.1:6381":   {"MOVED", "127.0.0.1:6381"},
		"ASK 3999 node.example.com:1": {"ASK", "node.example.com:1"},
		"MOVED 3999 ::1:6381":         {"MOVED", "[::1]:6381"},
		"MOVED 3999 [::1]:6381":       {"MOVED", "[::1]:6381"},
		"MOVED 3999 :6381":            {"MOVED", "10.0.0.1:6381"}, // the node does not know its own name
		"MOVED 3999":                  {},
		"MOVED 3999 127.0.0.1":        {},
		"MOVED 3999 127.0.0.1:x":      {},
		"MOVED 3999 127.0.0.1:99999":  {},
		"MOVED 3999 :":                {},
		"CLUSTERDOWN a b":             {},
		"":                            {},
	} {
		kind, to, ok := redisstore.Redirection(text, "10.0.0.1:7000")
		if kind != want.kind || to != want.to || ok != (want.kind != "") {
			t.Errorf("%q: got %q, %q, %v, want %q, %q", text, kind, to, ok, want.kind, want.to)
		}
	}
}

// FuzzRedirection looks for a panic.
func FuzzRedirection(f *testing.F) {
	f.Add("MOVED 1 a:1", "b:2")
	f.Add("ASK 1 :1", "[::1]:2")
	f.Fuzz(func(t *testing.T, text, from string) {
		if !strings.Contains(from, ":") {
			return // our own addresses all have ports
		}
		if _, to, ok := redisstore.Redirection(text, from); ok && !strings.Contains(to, ":") {
			t.Errorf("%q leads to %q", text, to)
		}
	})
}

// The values are those of the specification of Redis Cluster, and of CLUSTER KEYSLOT.
func TestSlot(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"123456789": 0x31C3 % 16384, "": 0, "foo": 12182, "bar": 5061, "hello": 866} {
		if got := redisstore.Slot(key); got != want {
			t.Errorf("%q: got slot %d, want %d", key, got, want)
		}
	}
}
