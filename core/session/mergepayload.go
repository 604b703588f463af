package session

import (
	"bytes"
	"fmt"
)

// MergePayload merges two payloads that were made of one, key by key, for backends that keep a session in several places:
// what only one of them has set or deleted is taken over. lost tells that both have changed a key, and differently; then
// winner decides. It is ErrCorrupt if one of them is no payload of this package.
func MergePayload(base, winner, loser []byte) (merged []byte, lost bool, err error) {
	for _, payload := range [][]byte{base, winner, loser} {
		if err := checkPayload(payload); err != nil {
			return nil, false, fmt.Errorf("merge: %w", err)
		}
	}
	changed := func(payload []byte, name []byte) (value []byte, there, changed bool) {
		value, there = find(payload, string(name))
		old, was := find(base, string(name))
		return value, there, there != was || !bytes.Equal(value, old)
	}
	for rest := winner; len(rest) > 0; {
		var name, value []byte
		name, value, rest, _ = nextFrame(rest)
		theirs, there, theyChanged := changed(loser, name)
		_, _, weChanged := changed(winner, name)
		switch {
		case theyChanged && !weChanged: // set or deleted
			if there {
				merged = appendFrame(merged, string(name), theirs)
			}
			continue
		case theyChanged && !bytes.Equal(theirs, value), theyChanged && !there:
			lost = lost || !isNote(string(name))
		}
		merged = appendFrame(merged, string(name), value)
	}
	for rest := loser; len(rest) > 0; {
		var name, value []byte
		name, value, rest, _ = nextFrame(rest)
		if _, there := find(winner, string(name)); there {
			continue
		}
		_, _, theyChanged := changed(loser, name)
		_, was := find(base, string(name))
		switch {
		case theyChanged && !was: // it is new
			merged = appendFrame(merged, string(name), value)
		case theyChanged: // and the winner has deleted it
			lost = lost || !isNote(string(name))
		}
	}
	return merged, lost, nil
}
