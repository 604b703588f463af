package fallback

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// A branch is what became of a session while the durable store was away. It is kept in the local store, and in the cache if
// that was there.
type branch struct {
	root   session.Record    // what the durable store had; of a new session nothing
	past   []session.Version // those between root and rec
	rec    session.Record    // the newest
	ended  bool              // the session was destroyed
	letter bool              // it lost a merge, and is kept for somebody to look at

	// settled tells, in Standby, that the fast store has been told of the branch, which stays for nodes that do not reach that.
	settled bool

	// generation is that of the cache which has the branch too; empty if this node alone has it.
	generation string
}

const (
	// awayLasts is for how long a branch is kept: the longest outage of the durable store after which all is carried back.
	awayLasts = 7 * 24 * time.Hour
	// pastMost is how many versions between root and rec are remembered, half of them the first.
	pastMost = 64
)

// next is the branch with one more write.
func (b branch) next(rec session.Record) branch {
	if !b.rec.Version.IsZero() && b.rec.Version != b.root.Version {
		b.past = append(slices.Clip(b.past), b.rec.Version)
	}
	if len(b.past) > pastMost {
		b.past = slices.Delete(slices.Clone(b.past), pastMost/2, pastMost/2+1)
	}
	b.rec = rec
	return b
}

// has reports whether a version is in the branch, as its root, its end or in between.
func (b branch) has(v session.Version) bool {
	return v == b.root.Version || v == b.rec.Version || slices.Contains(b.past, v)
}

// version is that of the record which carries the branch: just before the one of its session, so that the session itself, or
// the settled branch, can take its place. The end of a session is later than all of them, and before the mark of one.
func (b branch) version() session.Version {
	v := b.rec.Version
	switch {
	case b.ended:
		v = lastVersion()
	case b.settled:
		return v
	}
	for i := len(v) - 1; i >= 0; i-- {
		v[i]--
		if v[i] != 0xff {
			break
		}
	}
	return v
}

// reveal returns the session at the end of the branch, if it is alive.
func (b branch) reveal(now time.Time) (session.Record, error) {
	if b.ended || !now.Before(b.rec.Deadline()) {
		return session.Record{}, session.ErrNotFound
	}
	return b.rec, nil
}

// branchJSON is how a branch is kept.
type branchJSON struct {
	Root       []byte   `json:"root,omitempty"` // a record
	Past       [][]byte `json:"past,omitempty"`
	Rec        []byte   `json:"rec,omitempty"`
	Ended      bool     `json:"ended,omitempty"`
	Letter     bool     `json:"letter,omitempty"`
	Settled    bool     `json:"settled,omitempty"`
	Generation string   `json:"generation,omitempty"`
}

// record is what carries the branch in a store, made at a time.
func (b branch) record(now time.Time) session.Record {
	j := branchJSON{Ended: b.ended, Letter: b.letter, Settled: b.settled, Generation: b.generation}
	if !b.root.Version.IsZero() {
		j.Root = session.AppendRecord(nil, &b.root)
	}
	for _, v := range b.past {
		j.Past = append(j.Past, v[:])
	}
	if !b.rec.Version.IsZero() {
		j.Rec = session.AppendRecord(nil, &b.rec)
	}
	payload, err := json.Marshal(j)
	if err != nil {
		panic(err) // there is nothing in it that JSON does not have
	}
	lasts := awayLasts
	switch {
	case b.ended:
	case b.settled && b.rec.Successor.IsZero():
		lasts = markLasts
	default:
		lasts += max(0, b.rec.Deadline().Sub(now))
	}
	return session.Record{Version: b.version(), Created: now, Seen: now, TTL: lasts, Successor: branchID(), Payload: payload}
}

func isBranch(rec session.Record) bool { return rec.Successor == branchID() }

// branchID is the hash of no token.
func branchID() (id session.ID) {
	copy(id[:], "nonstick: a branch of a session.")
	return id
}

// parseBranch returns the branch that a record carries.
func parseBranch(rec session.Record) (b branch, err error) {
	var j branchJSON
	if err := json.Unmarshal(rec.Payload, &j); err != nil {
		return branch{}, fmt.Errorf("%w: a branch of a session cannot be decoded", session.ErrCorrupt)
	}
	b = branch{ended: j.Ended, letter: j.Letter, settled: j.Settled, generation: j.Generation}
	if j.Root != nil {
		if b.root, err = session.ParseRecord(j.Root); err != nil {
			return branch{}, err
		}
	}
	for _, past := range j.Past {
		var v session.Version
		copy(v[:], past)
		b.past = append(b.past, v)
	}
	if j.Rec != nil {
		if b.rec, err = session.ParseRecord(j.Rec); err != nil {
			return branch{}, err
		}
	}
	if rec.Seen.After(b.rec.Seen) && rec.Seen.After(rec.Created) { // it was touched
		b.rec.Seen = rec.Seen
	}
	return b, nil
}
