package session

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"
)

// Version identifies one write of one session, and no other write of any session on any node. It is the write's
// identity, by which a repeated write is recognised, and the compare-and-set token at once.
//
// It is a hybrid logical clock (48 bits of milliseconds, 16 bits of counter, big-endian) followed by 64 random bits of
// the node. Versions of one node grow strictly, and a version is greater than the one it replaces on any node, whatever
// the clocks say.
type Version [16]byte

// IsZero reports whether the Version names no write.
func (v Version) IsZero() bool { return v == Version{} }

// maxTick is the last clock value that is believed, in the year 10,800. What is left behind it is more than can be
// counted up.
const maxTick = math.MaxUint64 - 1<<40

// versions makes the Versions of one node.
type versions struct {
	node uint64
	last atomic.Uint64
}

// next returns a new Version that is greater than after and than all that this node made before.
func (n *versions) next(now time.Time, after Version) Version {
	floor := binary.BigEndian.Uint64(after[:8])
	if floor > maxTick {
		floor = 0 // not a time anybody made; the clock must not wrap around behind it
	}
	tick := uint64(min(max(now.UnixMilli(), 0), maxTick>>16)) << 16
	for {
		last := n.last.Load()
		tick := max(tick, last+1, floor+1)
		if n.last.CompareAndSwap(last, tick) {
			var v Version
			binary.BigEndian.PutUint64(v[:8], tick)
			binary.BigEndian.PutUint64(v[8:], n.node)
			return v
		}
	}
}
