package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// ID is what a Handler knows a session by: the SHA-256 of the token that the visitor holds. A dump of the store
// therefore logs nobody in (OWASP Session Management Cheat Sheet, "storage"), and an index look-up by hash leaks no
// timing of the token (CVE-2019-16782).
//
// An ID formats as a fixed text, in logs and in JSON too, so that it gets nowhere by accident; use AppendBase64 or
// AppendHex to build a key from it.
type ID [sha256.Size]byte

// IsZero reports whether the ID names no session.
func (id ID) IsZero() bool { return id == ID{} }

// AppendBase64 appends the 44 characters of the ID in the alphabet of URLs, with padding (RFC 4648, section 5): the shortest
// form that people can read and copy, for stores where each byte of a key counts. Padded, it is not taken for a token, which is
// as long without.
func (id ID) AppendBase64(dst []byte) []byte { return base64.URLEncoding.AppendEncode(dst, id[:]) }

// AppendHex appends the 64 lower-case hexadecimal digits of the ID, for names in which the case of a letter may be lost.
func (id ID) AppendHex(dst []byte) []byte { return hex.AppendEncode(dst, id[:]) }

// Format writes a fixed text instead of the ID.
func (ID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[session id]") }

// LogValue returns a fixed text instead of the ID.
func (ID) LogValue() slog.Value { return slog.StringValue("[session id]") }

// MarshalText returns a fixed text instead of the ID.
func (ID) MarshalText() ([]byte, error) { return []byte("[session id]"), nil }
