package fallback

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/nonstick-go/nonstick/core/session"
)

// What sessions hold may be compressed and encrypted, for their id and version. To merge them, and to give one another
// version, takes the Envelope of the Manager. Where that cannot open them, because it takes the visitor's token too, nothing
// is merged: the later one is kept as it is, which is bound to no version then.

// UseEnvelope gives the Store what it opens payloads with, to merge them. session.New calls it.
func (s *Store) UseEnvelope(envelope *session.Envelope) { s.engine.envelope.Store(envelope) }

// errNoEnvelope says that a branch has to wait for a Manager.
var errNoEnvelope = fmt.Errorf("%w: sealed sessions cannot be merged before session.New has the store", session.ErrUnavailable)

// open returns a payload as MergePayload takes it.
func (e *engine) open(id session.ID, rec session.Record) ([]byte, error) {
	envelope := e.envelope.Load()
	switch {
	case rec.Version.IsZero() || !rec.Successor.IsZero():
		return nil, nil
	case envelope != nil:
		return envelope.Open(id, rec)
	case session.Sealed(rec.Payload):
		return nil, errNoEnvelope
	}
	return rec.Payload, nil
}

// seal returns what is stored of the payload of rec.
func (e *engine) seal(id session.ID, rec session.Record) ([]byte, error) {
	if envelope := e.envelope.Load(); envelope != nil {
		return envelope.Seal(id, rec)
	}
	return rec.Payload, nil
}

// mergeSealed sets the payload of next, which goes on from later, to what becomes of two records with one root. changed tells
// that there is something of the earlier one in it, lost that something of that is not. If nothing may be lost (whole), it is
// the later one's.
func (e *engine) mergeSealed(id session.ID, root, later, earlier session.Record, next *session.Record, whole bool) (changed, lost bool, err error) {
	next.Payload = later.Payload
	base, err := e.open(id, root)
	winner, err2 := e.open(id, later)
	loser, err3 := e.open(id, earlier)
	if err = errors.Join(err, err2, err3); errors.Is(err, errNoEnvelope) {
		return false, true, err
	}
	sealed := *next
	sealed.Payload, lost = winner, true
	if err == nil {
		var merged []byte
		if merged, lost, err = e.mergePayload(base, winner, loser); err != nil || lost && whole {
			merged, lost = winner, true
		}
		sealed.Payload, changed = merged, !bytes.Equal(merged, winner)
	}
	if err2 == nil { // it has another version now, whether or not the other one could be opened
		if payload, err := e.seal(id, sealed); err == nil {
			next.Payload = payload
			return changed, lost, nil
		}
	}
	return false, true, nil
}
