package remember

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	locatorBytes   = 16
	keyBytes       = 16
	selectorBytes  = 12
	validatorBytes = 32
	nonceBytes     = 16
	tokenBytes     = locatorBytes + keyBytes + validatorBytes
)

// token is what the cookie holds, in base64url: where the user's record is, the key of the credential, and the proof.
type token struct {
	locator   locator
	key       [keyBytes]byte // the store has its hashes alone; it stays when the validator is replaced
	validator [validatorBytes]byte
}

type (
	locator  [locatorBytes]byte
	selector [selectorBytes]byte
)

func newToken(at locator) token {
	return token{at, [keyBytes]byte(random(keyBytes)), [validatorBytes]byte(random(validatorBytes))}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails, and ends the program if there is no randomness
	return b
}

func parseToken(value string) (t token, ok bool) {
	if len(value) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return t, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(raw) != tokenBytes {
		return t, false
	}
	rest := raw[copy(t.locator[:], raw):]
	rest = rest[copy(t.key[:], rest):]
	copy(t.validator[:], rest)
	return t, true
}

// String is the value of the cookie.
func (t token) String() string {
	raw := append(t.locator[:], t.key[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, t.validator[:]...))
}

// selector is which of the user's credentials it is.
func (t *token) selector() selector { return selector(keyed(t.key[:], []byte("selector"))) }

func (s selector) handle() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

// aead keeps the name of the user from who has the store alone.
func (t *token) aead() cipher.AEAD {
	return must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(keyed(t.key[:], []byte("name of the user"))))))
}

// seal returns the name of the user as the store gets it.
func (t *token) seal(subject string) []byte { return t.aead().Seal(nil, nil, []byte(subject), nil) }

// open returns the name of the user. It is not ok if the store has changed it, or has put it into another one's record.
func (t *token) open(sealed []byte) (subject string, ok bool) {
	name, err := t.aead().Open(nil, nil, sealed, nil)
	return string(name), err == nil && locate(string(name)) == t.locator
}

// must is for what fails only when it is asked for something impossible.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// locate returns the locator of a user. It does not show the user to who cannot guess the name.
func locate(subject string) locator {
	return locator(keyed([]byte("nonstick: remembered user"), []byte(subject)))
}

// id is where a record is kept. A made-up locator can so reach no session, of which the ID is known, nor anything else.
func (l locator) id() session.ID {
	return session.ID(keyed([]byte("nonstick: remembered logins"), l[:]))
}

// successor is the validator after this one. It follows from this one and what the store has, so that all who show this one
// within the grace get the same; and neither suffices alone.
func successor(validator [validatorBytes]byte, nonce []byte) [validatorBytes]byte {
	return [validatorBytes]byte(keyed(validator[:], nonce))
}

func keyed(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}
