package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"
)

// TokenMAC gives tokens a message authentication code (HMAC-SHA256, 144 bits of it), so that a made-up one is refused before
// it costs a store call (EventForged). It adds nothing to what makes a token hard to guess. The zero value is none.
//
// What a session is stored under does not depend on it. A Manager without keys takes tokens with a code too, unchecked, so it
// can be turned on, and off again, one node after the other.
type TokenMAC struct {
	// Keys are the ring. The first makes the codes of new tokens, all are good for checking. To change the key, add a new one
	// as the second on every node, then make it the first, and remove the old one when its tokens have ended: after
	// AbsoluteTimeout.
	Keys []Secret
	// PlainUntil is until when tokens without a code are taken too, for a site whose visitors have some: usually until
	// AbsoluteTimeout after the last node has got its keys. Zero: never.
	PlainUntil time.Time
}

func (o *TokenMAC) check() error {
	if len(o.Keys) == 0 && !o.PlainUntil.IsZero() {
		return errors.New("TokenMAC: PlainUntil has no meaning without Keys")
	}
	return checkKeys("TokenMAC.Keys", o.Keys)
}

// secret is the random part of a token, of which the store knows the SHA-256 alone.
type secret [32]byte // 256 random bits; ASVS 7.2.3 asks for 128

const (
	macBytes        = 18
	tokenChars      = 43 // a secret in base64url without padding
	tokenCharsMAC   = 67 // a secret and its code; not as long as the hexadecimal form of an ID
	tokenMACContext = "nonstick: session token"
)

// newToken draws the secret that the visitor's cookie will hold. A random source that fails is an error, never a
// weaker token (ASVS 11.5.2).
func (o *TokenMAC) newToken(random io.Reader) (string, error) {
	raw := make([]byte, len(secret{}), len(secret{})+macBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("draw a session token: %w", err)
	}
	if len(o.Keys) > 0 {
		raw = append(raw, tokenMAC(o.Keys[0], secret(raw))...)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

func tokenMAC(key Secret, s secret) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(tokenMACContext))
	mac.Write(s[:])
	return mac.Sum(nil)[:macBytes]
}

var (
	errMalformed = errors.New("token is malformed")
	errForged    = errors.New("token was not made with our keys")
)

// parse checks what a visitor sent. It runs before any I/O, so nothing malformed ever reaches a store, a path or a log
// (ASVS 7.2.1), and nothing forged costs a store call.
func (o *TokenMAC) parse(token string) (s secret, err error) {
	var raw [len(secret{}) + macBytes]byte
	if len(token) != tokenChars && len(token) != tokenCharsMAC {
		return s, errMalformed
	}
	for i := range len(token) { // the decoder skips line breaks: they are not part of any token
		if token[i] == '\r' || token[i] == '\n' {
			return s, errMalformed
		}
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(token)); err != nil {
		return s, errMalformed
	}
	s = secret(raw[:])
	switch {
	case len(o.Keys) == 0:
	case len(token) == tokenChars && !time.Now().Before(o.PlainUntil), len(token) == tokenCharsMAC && !o.made(s, raw[len(s):]):
		return secret{}, errForged
	}
	return s, nil
}

// made reports whether the code of a secret is one of ours.
func (o *TokenMAC) made(s secret, code []byte) bool {
	for _, key := range o.Keys {
		if hmac.Equal(tokenMAC(key, s), code) { // in constant time
			return true
		}
	}
	return false
}

// id is what the session of a token is stored under.
func (s *secret) id() ID { return sha256.Sum256(s[:]) }
