package session

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The index of a subject is a Record like any other, under an ID that follows from the subject. So every store can keep it,
// it lives in one slot of a cluster, and its one verb is Write with its compare-and-set. Its payload is a list of frames like
// that of a session, one for each fact, so that two nodes' changes of it merge where a store has to (see MergePayload):
//
//	"\x00epoch"              16 bytes, another value after each end of all sessions
//	's' handle               a session: indexed, in JSON
//	'i' handle, 32 bytes ID  an ID that the session has or had: a varint of when it got it, in milliseconds since 1970
//	'x' handle               the session was ended; once that is done, all its frames are removed
type subjectIndex struct {
	version Version // zero if it is not stored
	epoch   Epoch
	entries []*indexed
}

// indexed is one session in the index of its subject.
type indexed struct {
	handle string
	ids    []indexedID
	ended  bool

	Created    int64             `json:"c"`           // milliseconds since 1970
	Expires    int64             `json:"x,omitempty"` // the absolute end, 0 for none
	Era        uint64            `json:"e,omitempty"` // see EndEverything
	Attributes map[string]string `json:"a,omitempty"`
	Provider   []byte            `json:"p,omitempty"` // the ID of the index of the provider's session that it came from
}

type indexedID struct {
	id ID
	at int64 // milliseconds since 1970
}

const (
	frameEpoch = "\x00epoch"
	frameEntry = 's'
	frameID    = 'i'
	frameEnded = 'x'

	handleBytes = 12
	handleChars = 16

	// renewalLasts is longer than any renewal takes: after it, an ID that was exchanged for another one is dead.
	renewalLasts = 5 * time.Minute
	// maxIDs bounds the renewals of one session that can be on their way at once.
	maxIDs = 16
	// indexLasts is for how long an index is kept at least, so that the epoch outlives every login that it ends.
	indexLasts = 24 * time.Hour
)

// subjectID is where the index of a subject is kept: the hash of no token, and it does not show the subject (ASVS 14.2.4).
func subjectID(subject string) (id ID) {
	mac := hmac.New(sha256.New, []byte("nonstick: the sessions of a subject"))
	mac.Write([]byte(subject))
	return ID(mac.Sum(nil))
}

// noteOfSubject is what a session keeps of its place in an index: the index's ID and the handle.
func noteOfSubject(index ID, handle string) []byte {
	raw, _ := base64.RawURLEncoding.DecodeString(handle)
	return append(slices.Clip(index[:]), raw...)
}

func cutSubject(note []byte) (index ID, handle string, ok bool) {
	if len(note) != len(index)+handleBytes {
		return ID{}, "", false
	}
	copy(index[:], note)
	return index, base64.RawURLEncoding.EncodeToString(note[len(index):]), true
}

// parseIndex decodes an index, without the sessions whose absolute end has passed.
func parseIndex(rec Record) (*subjectIndex, error) {
	x := &subjectIndex{version: rec.Version}
	for rest := rec.Payload; len(rest) > 0; {
		var key, value []byte
		key, value, rest, _ = nextFrame(rest)
		if string(key) == frameEpoch {
			copy(x.epoch[:], value)
			continue
		}
		if len(key) < 1+handleChars {
			return nil, errIndexCorrupt()
		}
		e := x.make(string(key[1 : 1+handleChars]))
		switch tail := key[1+handleChars:]; {
		case key[0] == frameEntry && json.Unmarshal(value, e) == nil:
		case key[0] == frameEnded:
			e.ended = true
		case key[0] == frameID && len(tail) == len(ID{}):
			at, _ := binary.Varint(value)
			e.ids = append(e.ids, indexedID{ID(tail), at})
		default:
			return nil, errIndexCorrupt()
		}
	}
	at := now().UnixMilli()
	x.entries = slices.DeleteFunc(x.entries, func(e *indexed) bool { return !e.ended && e.Expires > 0 && e.Expires <= at })
	for _, e := range x.entries {
		// Of what was removed in one place, and given a new ID in another, only the ID is left: it is to be ended too.
		e.ended = e.ended || e.Created == 0
		slices.SortFunc(e.ids, func(a, b indexedID) int { return cmp.Compare(a.at, b.at) })
	}
	slices.SortStableFunc(x.entries, func(a, b *indexed) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), strings.Compare(a.handle, b.handle))
	})
	return x, nil
}

func errIndexCorrupt() error { return fmt.Errorf("%w: the index of a subject's sessions", ErrCorrupt) }

// payload encodes the index.
func (x *subjectIndex) payload() ([]byte, error) {
	var p []byte
	if !x.epoch.isZero() {
		p = appendFrame(p, frameEpoch, x.epoch[:])
	}
	for _, e := range x.entries {
		if e.ended {
			p = appendFrame(p, string(frameEnded)+e.handle, nil)
		}
		if e.Created != 0 {
			value, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			p = appendFrame(p, string(frameEntry)+e.handle, value)
		}
		for _, id := range e.ids {
			p = appendFrame(p, string(frameID)+e.handle+string(id.id[:]), binary.AppendVarint(nil, id.at))
		}
	}
	return p, nil
}

// life is how long an index must be kept from now on: as long as any session in it can live without changing it.
func (x *subjectIndex) life(now time.Time) time.Duration {
	life := indexLasts
	for _, e := range x.entries {
		if e.Expires == 0 {
			return maxCookieAge // no browser keeps a cookie for longer
		}
		life = max(life, time.UnixMilli(e.Expires).Sub(now))
	}
	return life
}

// entry returns the session of a handle, nil if there is none.
func (x *subjectIndex) entry(handle string) *indexed {
	for _, e := range x.entries {
		if e.handle == handle {
			return e
		}
	}
	return nil
}

// make returns the session of a handle, a new one if there is none.
func (x *subjectIndex) make(handle string) *indexed {
	e := x.entry(handle)
	if e == nil {
		e = &indexed{handle: handle}
		x.entries = append(x.entries, e)
	}
	return e
}

// remove removes sessions by their handles.
func (x *subjectIndex) remove(handles ...string) {
	x.entries = slices.DeleteFunc(x.entries, func(e *indexed) bool { return slices.Contains(handles, e.handle) })
}

// living are the sessions that were not ended.
func (x *subjectIndex) living() []*indexed { return x.where(false) }

// dying are those that were ended, of which some may still be stored.
func (x *subjectIndex) dying() []*indexed { return x.where(true) }

func (x *subjectIndex) where(ended bool) (list []*indexed) {
	for _, e := range x.entries {
		if e.ended == ended {
			list = append(list, e)
		}
	}
	return list
}

// add notes that the session has a new ID, or may have it soon instead of the one that it has.
func (e *indexed) add(current, fresh ID) {
	at := now()
	e.ids = slices.DeleteFunc(e.ids, func(known indexedID) bool {
		return known.id != current && known.id != fresh && known.at < at.Add(-renewalLasts).UnixMilli()
	})
	for _, id := range [...]ID{current, fresh} {
		if !id.IsZero() && !slices.ContainsFunc(e.ids, func(known indexedID) bool { return known.id == id }) {
			e.ids = append(e.ids, indexedID{id, at.UnixMilli()})
		}
	}
	e.ids = e.ids[max(0, len(e.ids)-maxIDs):]
}

// outlive moves the absolute end, and never to before what it was: an end that is too late mends itself. It reports whether the
// session is new or may live longer than before.
func (e *indexed) outlive(end time.Time) (later bool) {
	before, known := e.Expires, e.Created != 0
	switch {
	case end.IsZero(), known && e.Expires == 0:
		e.Expires = 0
	default:
		e.Expires = max(e.Expires, end.UnixMilli())
	}
	return !known || e.Expires != before
}
