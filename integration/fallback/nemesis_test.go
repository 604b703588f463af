package fallback_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
)

// One fault after the other, drawn by a seed, happens to visitors who stay, each with one node, since a busy machine may let both
// servers time out at once: for the time in SOAK, or a few seconds. SEED repeats
// the order of a run.
func TestNemesis(t *testing.T) {
	t.Parallel()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("SEED=%d", seed)
	all := faults()
	maps.Copy(all, redisFaults())
	maps.Copy(all, mariaFaults())
	maps.DeleteFunc(all, func(_ string, f fault) bool { return f.redis != nil || f.sticky || f.apart })
	names := slices.Sorted(maps.Keys(all))
	s := newSite(t, nil, nil)
	c := s.visit(10, true, 60*time.Millisecond, 2*time.Second, func(c *crowd) { c.forgetful = true })
	begin := time.Now()
	warm, from := heap(), begin
	rounds := 0
	for ; rounds == 0 || time.Since(begin) < max(soak(), 5*time.Second); rounds++ {
		name := names[rnd.IntN(len(names))]
		t.Logf("%v: %s", time.Since(begin).Round(time.Second), name)
		s.strike(all[name], c)
		s.settle()
		if t.Failed() {
			break
		}
		if rounds == 20 { // all that grows once has grown
			warm, from = heap(), time.Now()
		}
	}
	c.leave()
	s.agree(c)
	c.report()
	minutes := time.Since(from).Minutes()
	slope := float64(heap()-warm) / (1 << 20) / minutes
	t.Logf("%d faults in %v, the heap grows by %.2f MiB a minute", rounds, time.Since(begin).Round(time.Second), slope)
	if minutes > 5 && slope > 1 {
		t.Errorf("the heap grows by %.2f MiB a minute", slope)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
