package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Encryption keeps what sessions hold unreadable to whoever can read the store: AES-256-GCM, with a key for each session
// that HKDF-SHA256 derives (ASVS 11.3.2). The zero value is none.
//
// A session is bound to its id, its version, its creation and its absolute end: stored under another id, beside another
// version, or with a later end, it is unreadable, and so is one that was changed (ASVS 11.3.3). Not bound are the time it was
// last seen, which changes without the data, and what follows from replacing a whole record by an older one of the same
// session: whoever can write to the store can keep a session alive until its absolute end, remove it, and turn it back.
//
// What cannot be decrypted is ErrCorrupt: see Options.RejectCorrupt.
type Encryption struct {
	// Keys are the ring. The first encrypts, all decrypt. To change the key, add a new one as the second on every node, then
	// make it the first, and remove the old one when no session is left that it has encrypted: after AbsoluteTimeout, or
	// IdleTimeout if that is the only limit, because what is only read is encrypted anew when it is kept alive.
	Keys []Secret
	// Token makes the key of a session depend on its visitor's token too, of which the store has only a hash. Then neither the
	// store nor Keys nor both are enough to read a session: only its visitor's requests can. A store that merges (package
	// fallback) cannot do so with such sessions: of two that have grown apart the later one stays, and the other is a dead
	// letter. And because it has to give that one a new version, the version is not bound. It excludes RenewInterval.
	Token bool
	// PlainUntil is until when sessions are read that are not encrypted, for a site that has some. What is read is
	// encrypted when it is next written or kept alive. Zero: never, since whoever can write to the store would not need the
	// key (CVE-2026-39324).
	PlainUntil time.Time
	// Begin is when this Manager begins to encrypt. Zero: at once. A time by which all nodes have the keys lets them be
	// replaced one after the other, and lets one that has no keys yet read what the others write. A time far ahead, with
	// PlainUntil behind it, ends the encryption.
	Begin time.Time
}

func (o *Encryption) check() error {
	switch {
	case len(o.Keys) == 0 && (o.Token || !o.PlainUntil.IsZero() || !o.Begin.IsZero()):
		return errors.New("Encryption: without Keys nothing is encrypted")
	case o.Begin.After(o.PlainUntil) && o.Begin.After(time.Now()):
		return errors.New("Encryption: Begin is after PlainUntil, so what is written until then could not be read")
	}
	return checkKeys("Encryption.Keys", o.Keys)
}

// encryption is Encryption with its derived keys.
type encryption struct {
	Encryption
	keys []ringKey
}

// ringKey is what HKDF has extracted of a Secret, and a name for it.
type ringKey struct {
	pseudorandom []byte
	name         [keyNameBytes]byte
}

const (
	keyNameBytes     = 4
	flagToken        = 1
	encryptionHeader = 2 + 1 + keyNameBytes
	// encryptionOverhead is what encryption adds: the header, a nonce of 12 bytes, a tag of 16.
	encryptionOverhead = encryptionHeader + 12 + 16
)

func newEncryption(o Encryption) encryption {
	e := encryption{Encryption: o}
	for _, s := range o.Keys {
		k := ringKey{pseudorandom: must(hkdf.Extract(sha256.New, s, []byte("nonstick: encryption of sessions")))}
		copy(k.name[:], must(hkdf.Expand(sha256.New, k.pseudorandom, "name of the key", keyNameBytes)))
		e.keys = append(e.keys, k)
	}
	return e
}

// must is for what fails only when it is asked for something impossible.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// aead derives the key of a session. token is nil unless it is needed.
func (k *ringKey) aead(id ID, token *secret) cipher.AEAD {
	var key []byte
	if token == nil {
		key = must(hkdf.Expand(sha256.New, k.pseudorandom, "session"+string(id[:]), sha256.Size))
	} else {
		key = must(hkdf.Key(sha256.New, token[:], k.pseudorandom, "session of a token"+string(id[:]), sha256.Size))
	}
	return must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(key))))
}

// associated appends what a payload is bound to.
func associated(dst, header []byte, id ID, rec *Record) []byte {
	dst = append(append(dst, header...), id[:]...)
	if header[2]&flagToken == 0 {
		dst = append(dst, rec.Version[:]...)
	}
	created, expires := millis(rec.Created), uint64(0)
	if !rec.Expires.IsZero() {
		expires = since(created, rec.Expires) + 1
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, created), expires)
}

// mostAssociated is for the buffer that it takes.
const mostAssociated = encryptionHeader + len(ID{}) + len(Version{}) + 2*8

// on reports whether payloads are to be encrypted now.
func (e *encryption) on() bool {
	return len(e.keys) > 0 && (e.Begin.IsZero() || !time.Now().Before(e.Begin))
}

func (e *encryption) encrypt(id ID, token *secret, rec *Record) []byte {
	k := &e.keys[0]
	var flags byte
	if e.Token && token != nil {
		flags = flagToken
	} else {
		token = nil
	}
	sealed := make([]byte, 0, len(rec.Payload)+encryptionOverhead)
	sealed = append(append(sealed, 0, formEncrypted, flags), k.name[:]...)
	bound := associated(make([]byte, 0, mostAssociated), sealed, id, rec)
	return k.aead(id, token).Seal(sealed, nil, rec.Payload, bound)
}

// decrypt returns what is in an encrypted payload. old tells that the options would encrypt it otherwise now.
func (e *encryption) decrypt(id ID, token *secret, rec *Record) (payload []byte, old bool, err error) {
	if len(rec.Payload) < encryptionOverhead || rec.Payload[2]&^flagToken != 0 {
		return nil, false, fmt.Errorf("%w: its encrypted form is malformed", ErrCorrupt)
	}
	header, rest := rec.Payload[:encryptionHeader], rec.Payload[encryptionHeader:]
	needsToken := header[2]&flagToken != 0
	switch {
	case needsToken && token == nil && len(e.keys) > 0:
		return nil, false, errNeedsToken
	case !needsToken:
		token = nil
	}
	bound := associated(make([]byte, 0, mostAssociated), header, id, rec)
	known := false
	for i := range e.keys {
		k := &e.keys[i]
		if k.name != [keyNameBytes]byte(header[3:]) {
			continue
		}
		known = true
		if payload, err = k.aead(id, token).Open(nil, nil, rest, bound); err == nil {
			return payload, i > 0 || needsToken != e.Token || !e.on(), nil
		}
	}
	if !known {
		return nil, false, fmt.Errorf("%w: it is encrypted with a key that is not in Encryption.Keys", ErrCorrupt)
	}
	return nil, false, fmt.Errorf("%w: it cannot be decrypted: it was changed, or belongs to another session or version", ErrCorrupt)
}

// admitPlain is asked for a payload that is not encrypted.
func (e *encryption) admitPlain(now time.Time) (old bool, err error) {
	if !now.Before(e.PlainUntil) {
		return false, fmt.Errorf("%w: it is not encrypted (see Encryption.PlainUntil)", ErrCorrupt)
	}
	return e.on(), nil
}
