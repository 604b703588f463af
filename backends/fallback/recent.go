package fallback

import (
	"slices"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// recent remembers the sessions that this node has seen last, so that it can go on with them when no store answers. There
// are two halves: when one is full, the other one is forgotten.
type recent struct {
	mu     sync.Mutex
	halves [2]map[session.ID]seenRecord
	bytes  int // in the first half
}

type seenRecord struct {
	branch // whose root is its end, if the store that has the sessions had that
	at     time.Time
	over   bool // it was ended here
}

const (
	// recentBytes is how much each half may have, recentMost how many sessions, and recentLasts for how long one is of use: a
	// session may have ended elsewhere since.
	recentBytes = 16 << 20
	recentMost  = 20_000
	recentLasts = 5 * time.Minute
)

func newRecent() *recent {
	return &recent{halves: [2]map[session.ID]seenRecord{{}, {}}}
}

// put remembers what the store that has the sessions has had at some time or later.
func (r *recent) put(id session.ID, rec session.Record, at time.Time) {
	r.putBranch(id, branch{root: rec, rec: rec}, at)
}

// putBranch remembers a branch. Whoever goes on from it has to know what it was made of, to merge it: of what is in the branch alone
// it would seem that the store had it, and that others have removed it.
func (r *recent) putBranch(id session.ID, b branch, at time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.halves[0][id]
	switch {
	case old.over, r.halves[1][id].over:
		return
	case known && old.rec.Version == b.rec.Version && old.root.Version == b.root.Version: // as nearly always
		r.halves[0][id] = seenRecord{branch: old.branch, at: at}
		return
	case known && old.rec.Version != b.rec.Version && newer(old.rec.Version, b.rec.Version): // another request was faster, with something newer
		return
	}
	b = b.clone()
	r.halves[0][id] = seenRecord{branch: b, at: at}
	r.bytes += b.size() - old.size()
	if r.bytes > recentBytes || len(r.halves[0]) > recentMost {
		r.halves[0], r.halves[1], r.bytes = make(map[session.ID]seenRecord), r.halves[0], 0
	}
}

// clone shares nothing with b.
func (b branch) clone() branch {
	b.rec.Payload = slices.Clone(b.rec.Payload)
	if b.root.Version == b.rec.Version {
		b.root = b.rec
		return b
	}
	b.root.Payload, b.past = slices.Clone(b.root.Payload), slices.Clone(b.past)
	return b
}

// size is about how much memory it takes.
func (b branch) size() int {
	n := len(b.rec.Payload) + len(b.past)*len(session.Version{})
	if b.root.Version != b.rec.Version {
		n += len(b.root.Payload)
	}
	return n
}

// drop forgets a session that was not found.
func (r *recent) drop(id session.ID) {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forget(id)
	}
}

// end forgets a session that was ended here, and what reads that are under way still come with.
func (r *recent) end(id session.ID) {
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.forget(id)
		r.halves[0][id] = seenRecord{over: true}
	}
}

func (r *recent) forget(id session.ID) {
	r.bytes -= r.halves[0][id].size()
	for _, half := range r.halves {
		if !half[id].over {
			delete(half, id)
		}
	}
}

// get returns what was put not too long ago, and when.
func (r *recent) get(id session.ID, now time.Time) (known branch, at time.Time, ok bool) {
	if r == nil {
		return branch{}, time.Time{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, half := range r.halves {
		if known, ok := half[id]; ok {
			return known.clone(), known.at, !known.over && now.Sub(known.at) < recentLasts
		}
	}
	return branch{}, time.Time{}, false
}
