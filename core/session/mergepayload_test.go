package session_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// payloadOf encodes values as the package documents its payloads.
func payloadOf(values map[string]string) (payload []byte) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, part := range []string{name, values[name]} {
			payload = append(binary.AppendUvarint(payload, uint64(len(part))), part...)
		}
	}
	return payload
}

func TestMergePayload(t *testing.T) {
	t.Parallel()
	type m = map[string]string
	for name, c := range map[string]struct {
		base, winner, loser, want m
		lost                      bool
	}{
		"nothing":                     {},
		"notes are no loss":           {base: m{"\x00n": "1"}, winner: m{"\x00n": "2"}, loser: m{"\x00n": "3"}, want: m{"\x00n": "2"}},
		"nor deleted ones":            {base: m{"\x00n": "1"}, winner: m{}, loser: m{"\x00n": "3"}, want: m{}},
		"created twice":               {winner: m{"a": "1"}, loser: m{"b": "2"}, want: m{"a": "1", "b": "2"}},
		"other keys":                  {base: m{"a": "1", "b": "1"}, winner: m{"a": "2", "b": "1"}, loser: m{"a": "1", "b": "2"}, want: m{"a": "2", "b": "2"}},
		"the same key":                {base: m{"a": "1"}, winner: m{"a": "2"}, loser: m{"a": "3"}, want: m{"a": "2"}, lost: true},
		"the same change":             {base: m{"a": "1"}, winner: m{"a": "2"}, loser: m{"a": "2"}, want: m{"a": "2"}},
		"the winner deletes":          {base: m{"a": "1", "b": "1"}, winner: m{"b": "1"}, loser: m{"a": "1", "b": "2"}, want: m{"b": "2"}},
		"the loser deletes":           {base: m{"a": "1", "b": "1"}, winner: m{"a": "1", "b": "2"}, loser: m{"b": "1"}, want: m{"b": "2"}},
		"both delete":                 {base: m{"a": "1"}, winner: m{}, loser: m{}, want: m{}},
		"deleted against a change":    {base: m{"a": "1"}, winner: m{}, loser: m{"a": "2"}, want: m{}, lost: true},
		"a change against a deletion": {base: m{"a": "1"}, winner: m{"a": "2"}, loser: m{}, want: m{"a": "2"}, lost: true},
		"empty values":                {base: m{"a": ""}, winner: m{"a": ""}, loser: m{}, want: m{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, lost, err := session.MergePayload(payloadOf(c.base), payloadOf(c.winner), payloadOf(c.loser))
			if err != nil || lost != c.lost || string(got) != string(payloadOf(c.want)) {
				t.Errorf("got %q, lost %v, error %v; want %q, %v", got, lost, err, payloadOf(c.want), c.lost)
			}
		})
	}
}

// A merge with what has not changed is the change, whoever wins; and merging again changes nothing.
func TestMergePayloadLaws(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	draw := func() []byte {
		values := map[string]string{}
		for range rnd.IntN(5) {
			values[string(rune('a'+rnd.IntN(5)))] = string(rune('0' + rnd.IntN(3)))
		}
		return payloadOf(values)
	}
	sorted := func(payload []byte) string {
		values := map[string]string{}
		for rest := payload; len(rest) > 0; rest = rest[4:] { // names and values have one byte each
			values[string(rest[1])] = string(rest[3])
		}
		return string(payloadOf(values))
	}
	for range 20_000 {
		base, a, b := draw(), draw(), draw()
		for _, pair := range [][2][]byte{{base, a}, {a, base}} {
			if got, lost, err := session.MergePayload(base, pair[0], pair[1]); err != nil || lost || sorted(got) != sorted(a) {
				t.Fatalf("base %q, one change %q: got %q, lost %v, error %v", base, a, got, lost, err)
			}
		}
		merged, _, err := session.MergePayload(base, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if again, lost, err := session.MergePayload(a, merged, a); err != nil || lost || sorted(again) != sorted(merged) {
			t.Fatalf("again: %q, then %q, lost %v, error %v", merged, again, lost, err)
		}
	}
}

func TestMergePayloadCorrupt(t *testing.T) {
	t.Parallel()
	good, bad := payloadOf(map[string]string{"a": "1"}), []byte{9}
	for _, p := range [][3][]byte{{bad, good, good}, {good, bad, good}, {good, good, bad}} {
		if _, _, err := session.MergePayload(p[0], p[1], p[2]); !errors.Is(err, session.ErrCorrupt) {
			t.Errorf("got error %v", err)
		}
	}
}
