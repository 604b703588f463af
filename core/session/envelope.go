package session

import (
	"errors"
	"fmt"
	"time"
)

// A payload is stored as it is, or in one of these forms, which begin with a zero byte: no payload does, since the name of
// a key has a byte at least. So every reader sees what it has before it, whatever the options were when it was written, and
// options can change from one request to the next.
//
//	0, formCompressed, tag of the method, uvarint length of the payload, compressed payload
//	0, formEncrypted, flags, 4 bytes that name the key, nonce, encrypted payload in one of the other forms
const (
	formCompressed = 1
	formEncrypted  = 2
)

func hasForm(payload []byte, form byte) bool {
	return len(payload) >= 2 && payload[0] == 0 && payload[1] == form
}

// Sealed reports whether a stored payload is compressed or encrypted, so that only an Envelope can read it.
func Sealed(payload []byte) bool { return len(payload) > 0 && payload[0] == 0 }

// Envelope turns payloads into what a store keeps of them, and back: compressed, encrypted, both, or as they are. A Manager
// has one, after Options.Compression and Options.Encryption, and gives it to a store that is a Merger. It is safe for
// concurrent use.
type Envelope struct {
	compression compression
	encryption  encryption
}

// Merger is an optional capability of a Handler that merges payloads (see MergePayload) because it keeps sessions in several
// places. Without it all that a store has to know of a payload is its bytes.
type Merger interface {
	// UseEnvelope gives the Handler what it opens and seals payloads with; New calls it. Until then the Handler merges no
	// payload that is Sealed.
	UseEnvelope(e *Envelope)
}

// Open returns the payload of rec, which is stored under id, for MergePayload. It is errors.ErrUnsupported if the visitor's
// token is needed for that (Encryption.Token), and ErrCorrupt if nobody can read it with these options.
func (e *Envelope) Open(id ID, rec Record) ([]byte, error) {
	_, err := e.open(id, nil, &rec)
	return rec.Payload, err
}

// Seal returns what is to be stored of rec.Payload under id, with the version and the times of rec. It is
// errors.ErrUnsupported if the visitor's token is needed for that.
func (e *Envelope) Seal(id ID, rec Record) ([]byte, error) {
	if e.encryption.Token && e.encryption.on() {
		return nil, errNeedsToken
	}
	e.seal(id, nil, &rec)
	return rec.Payload, nil
}

var errNeedsToken = fmt.Errorf("the key of this session needs its visitor's token: %w", errors.ErrUnsupported)

// seal replaces the payload of rec by what is to be stored of it. token is needed if keys follow from it.
func (e *Envelope) seal(id ID, token *secret, rec *Record) {
	if !rec.Successor.IsZero() {
		return // a tombstone has no payload
	}
	if e.compression.wants(rec.Payload) {
		rec.Payload = e.compression.compress(rec.Payload)
	}
	if e.encryption.on() {
		rec.Payload = e.encryption.encrypt(id, token, rec)
	}
}

// open replaces what is stored by the payload, which it checks. old tells that it should be stored anew: unencrypted
// although it should not be, or under an old key.
func (e *Envelope) open(id ID, token *secret, rec *Record) (old bool, err error) {
	payload := rec.Payload
	switch {
	case hasForm(payload, formEncrypted):
		payload, old, err = e.encryption.decrypt(id, token, rec)
	case len(e.encryption.keys) > 0:
		old, err = e.encryption.admitPlain(time.Now())
	}
	if err == nil && hasForm(payload, formCompressed) {
		payload, err = e.compression.expand(payload)
	}
	if err == nil {
		err = checkPayload(payload)
	}
	if err != nil {
		return false, err
	}
	rec.Payload = payload
	return old, nil
}

// overhead is what an envelope may add to a payload.
func (e *Envelope) overhead() int {
	if len(e.encryption.keys) == 0 {
		return 0
	}
	return encryptionOverhead
}

func newEnvelope(o *Options) *Envelope {
	return &Envelope{compression: newCompression(o.Compression), encryption: newEncryption(o.Encryption)}
}
