package session

import (
	"encoding/binary"
	"fmt"
)

// A payload is a list of frames, one for each key that has a value:
//
//	uvarint length of the name, name, uvarint length of the value, value
//
// Reading one key walks the frames without decoding any value, and changing one key copies the other frames as they
// are: the cost of a key does not depend on what else is in the session.

// nextFrame splits the first frame off payload. ok is false at the end and where the payload is malformed.
func nextFrame(payload []byte) (name, value, rest []byte, ok bool) {
	if name, rest, ok = cut(payload); !ok {
		return nil, nil, nil, false
	}
	value, rest, ok = cut(rest)
	return name, value, rest, ok
}

func cut(b []byte) (head, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}

// checkPayload is ErrCorrupt unless payload consists of whole frames.
func checkPayload(payload []byte) error {
	for len(payload) > 0 {
		name, _, rest, ok := nextFrame(payload)
		if !ok || len(name) == 0 {
			return fmt.Errorf("%w: payload is malformed", ErrCorrupt)
		}
		payload = rest
	}
	return nil
}

// find returns the value of a key as a part of payload.
func find(payload []byte, name string) ([]byte, bool) {
	for {
		key, value, rest, ok := nextFrame(payload)
		if !ok {
			return nil, false
		}
		if string(key) == name {
			return value, true
		}
		payload = rest
	}
}

func appendFrame(dst []byte, name string, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	dst = append(dst, name...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}
