package session

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is the bytes of a key: 32 or more from crypto/rand, the same on every node. It formats as a fixed text, in logs and
// in JSON too, so that it gets nowhere by accident.
type Secret []byte

const leastSecret = 32 // bytes

// Format writes a fixed text instead of the bytes.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// LogValue returns a fixed text instead of the bytes.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText returns a fixed text instead of the bytes.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func checkKeys(field string, keys []Secret) error {
	for i, key := range keys {
		if len(key) < leastSecret {
			return fmt.Errorf("%s: key %d has %d bytes, and needs %d from crypto/rand at least", field, i, len(key), leastSecret)
		}
	}
	return nil
}
