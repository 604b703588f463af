package fallback

import (
	"bytes"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// mark is what the cache has in the place of a session that it must not tell about: whoever finds it asks the durable
// store. It is a record whose successor is itself no session.
func mark(v session.Version, now time.Time, lasts time.Duration) session.Record {
	return session.Record{Version: v, Created: now, Seen: now, TTL: lasts, Successor: markID()}
}

func isMark(rec session.Record) bool { return rec.Successor == markID() }

// markID is the hash of no token.
func markID() (id session.ID) {
	copy(id[:], "nonstick: ask the durable store.")
	return id
}

// lastVersion is greater than that of any write.
func lastVersion() (v session.Version) {
	for i := range v {
		v[i] = 0xff
	}
	return v
}

// newest returns the later one of two versions.
func newest(a, b session.Version) session.Version {
	if newer(a, b) {
		return a
	}
	return b
}

// newer reports whether a is what b is, or was written after it.
func newer(a, b session.Version) bool { return bytes.Compare(a[:], b[:]) >= 0 }
