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

const (
	tokenBytes = 32 // 256 random bits; ASVS 7.2.3 asks for 128
	tokenChars = 43 // the same in base64url without padding
)

// newToken draws the secret that the visitor's cookie will hold. A random source that fails is an error, never a
// weaker token (ASVS 11.5.2).
func newToken(random io.Reader) (string, error) {
	var raw [tokenBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("draw a session token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// parseToken checks the syntax of what a visitor sent and turns it into an ID. It runs before any I/O, so nothing
// malformed ever reaches a store, a path or a log (ASVS 7.2.1).
func parseToken(token string) (ID, bool) {
	var raw [tokenBytes]byte
	if len(token) != tokenChars {
		return ID{}, false
	}
	for i := range len(token) { // the decoder skips line breaks: they are not part of any token
		if token[i] == '\r' || token[i] == '\n' {
			return ID{}, false
		}
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(token)); err != nil || n != tokenBytes {
		return ID{}, false
	}
	return sha256.Sum256(raw[:]), true
}
