package session_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func greater(a, b session.Version) bool { return bytes.Compare(a[:], b[:]) > 0 }

// A million versions, made by four nodes with four goroutines each and a clock that stands still: no two are the same.
func TestVersionUnique(t *testing.T) {
	t.Parallel()
	const nodes, workers, each = 4, 4, 1_000_000 / 16
	now := time.Now()
	var other session.Version // what another node has stored last
	for n := range nodes {
		node, name := session.NewVersionNode(uint64(n+1)<<56|7), []byte{byte(n + 1), 0, 0, 0, 0, 0, 0, 7}
		ticks := make([]uint64, workers*each)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				var last session.Version
				for i := range each {
					after := last
					if i%7 == 0 { // now and then a session comes from another node
						after = other
					}
					v := node.Next(now, after)
					if !greater(v, after) || !greater(v, last) || !bytes.Equal(v[8:], name) {
						t.Errorf("%x follows %x and replaces %x", v, last, after)
						return
					}
					ticks[w*each+i], last = binary.BigEndian.Uint64(v[:8]), v
				}
			})
		}
		wg.Wait()
		slices.Sort(ticks)
		if len(slices.Compact(ticks)) != workers*each {
			t.Errorf("node %d repeats itself", n)
		}
		other = node.Next(now, session.Version{})
	}
}

func TestVersionClocks(t *testing.T) {
	t.Parallel()
	start := time.UnixMilli(1_767_225_600_000)
	rng := rand.New(rand.NewPCG(3, 4))
	ahead, behind := session.NewVersionNode(1), session.NewVersionNode(2)
	last := ahead.Next(start, session.Version{})
	for i := range 100_000 { // the clock of a node jumps back and forth by up to a day
		v := ahead.Next(start.Add(time.Duration(rng.Int64N(2*86_400_000)-86_400_000)*time.Millisecond), session.Version{})
		if !greater(v, last) {
			t.Fatalf("%d: %x follows %x", i, v, last)
		}
		last = v
	}
	for range 1000 { // the session moves between two nodes, one of which is ten years behind
		v := behind.Next(start.AddDate(-10, 0, 0), last)
		if !greater(v, last) {
			t.Fatalf("the node behind replaces %x by %x", last, v)
		}
		if last = ahead.Next(start, v); !greater(last, v) {
			t.Fatalf("the node ahead replaces %x by %x", v, last)
		}
	}
	if v := session.NewVersionNode(3).Next(time.Unix(0, 0), session.Version{}); v.IsZero() {
		t.Error("a version made at the epoch is zero, which means none")
	}
}

// More writes in one millisecond than the counter holds run into the next millisecond, not over each other.
func TestVersionCounterOverflow(t *testing.T) {
	t.Parallel()
	node, now := session.NewVersionNode(1), time.UnixMilli(1_767_225_600_000)
	var last session.Version
	for range 1<<16 + 10 {
		v := node.Next(now, session.Version{})
		if !greater(v, last) {
			t.Fatalf("%x follows %x", v, last)
		}
		last = v
	}
	if v := node.Next(now.Add(time.Millisecond), session.Version{}); !greater(v, last) {
		t.Errorf("the next millisecond makes %x, which follows %x", v, last)
	}
}

// A version that nobody made, which fills the whole clock, must not make the node repeat itself.
func TestVersionAtTheEnd(t *testing.T) {
	t.Parallel()
	node, now := session.NewVersionNode(1), time.UnixMilli(1_767_225_600_000)
	var end session.Version
	for i := range end {
		end[i] = 0xff
	}
	seen := map[session.Version]bool{}
	for i := range 10 {
		after := session.Version{}
		if i%2 == 1 {
			after = end
		}
		v := node.Next(now, after)
		if v.IsZero() || v == end || seen[v] {
			t.Fatalf("%d: %x after %x was made before", i, v, after)
		}
		seen[v] = true
	}
}
