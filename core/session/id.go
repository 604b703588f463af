package session

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// ID is what a Handler knows a session by: the SHA-256 of the token that the visitor holds. A dump of the store
// therefore logs nobody in (OWASP Session Management Cheat Sheet, "storage"), and an index look-up by hash leaks no
// timing of the token (CVE-2019-16782).
//
// An ID formats as a fixed text, in logs and in JSON too, so that it gets nowhere by accident; use AppendHex to build a
// key from it.
type ID [sha256.Size]byte

// IsZero reports whether the ID names no session.
func (id ID) IsZero() bool { return id == ID{} }

// AppendHex appends the 64 lower-case hexadecimal digits of the ID, the form in which stores name it.
func (id ID) AppendHex(dst []byte) []byte { return hex.AppendEncode(dst, id[:]) }

// Format writes a fixed text instead of the ID.
func (ID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[session id]") }

// LogValue returns a fixed text instead of the ID.
func (ID) LogValue() slog.Value { return slog.StringValue("[session id]") }

// MarshalText returns a fixed text instead of the ID.
func (ID) MarshalText() ([]byte, error) { return []byte("[session id]"), nil }
