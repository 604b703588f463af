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
	rec session.Record
	at  time.Time
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

// put remembers what a store has.
func (r *recent) put(id session.ID, rec session.Record, at time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.halves[0][id]
	switch {
	case known && old.rec.Version == rec.Version: // as nearly always
		r.halves[0][id] = seenRecord{old.rec, at}
		return
	case known && newer(old.rec.Version, rec.Version): // another request was faster, with something newer
		return
	}
	rec.Payload = slices.Clone(rec.Payload)
	r.halves[0][id] = seenRecord{rec, at}
	r.bytes += len(rec.Payload) - len(old.rec.Payload)
	if r.bytes > recentBytes || len(r.halves[0]) > recentMost {
		r.halves[0], r.halves[1], r.bytes = make(map[session.ID]seenRecord), r.halves[0], 0
	}
}

func (r *recent) drop(id session.ID) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes -= len(r.halves[0][id].rec.Payload)
	for _, half := range r.halves {
		delete(half, id)
	}
}

// get returns a record that was put not too long ago.
func (r *recent) get(id session.ID, now time.Time) (session.Record, bool) {
	if r == nil {
		return session.Record{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, half := range r.halves {
		if known, ok := half[id]; ok {
			rec := known.rec
			rec.Payload = slices.Clone(rec.Payload)
			return rec, now.Sub(known.at) < recentLasts
		}
	}
	return session.Record{}, false
}
