package fallback_test

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/backends/fallback"
)

// scenarios are what the protocol has to stand.
func scenarios() map[string]faults {
	return map[string]faults{
		"the fast store is away":         {outage: [2]int{6, 0}, lost: [2]int{40, 0}},
		"nodes do not reach the fast":    {partition: [2]int{8, 0}, lost: [2]int{40, 0}},
		"and nodes die":                  {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{40, 0}, crash: 6},
		"and answers do not arrive":      {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{40, 20}, crash: 6},
		"and nodes stand still":          {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{30, 0}, pause: 8},
		"the fast store goes back":       {outage: [2]int{2, 0}, lost: [2]int{20, 0}, rewind: 8, crash: 2},
		"the durable store is away":      {outage: [2]int{0, 6}, lost: [2]int{10, 40}, crash: 2},
		"the durable store alone":        {outage: [2]int{0, 8}, lost: [2]int{0, 40}, patient: true},
		"a node without the durable":     {partition: [2]int{0, 8}, lost: [2]int{0, 20}, patient: true},
		"one store at a time":            {outage: [2]int{4, 4}, lost: [2]int{30, 30}, crash: 2, oneAtOnce: true},
		"both, and each node for itself": {outage: [2]int{3, 3}, partition: [2]int{3, 3}, lost: [2]int{30, 30}, rewind: 2, crash: 4, pause: 4},
		"half of the fast store is away": {shard: 8, lost: [2]int{40, 0}},
	}
}

// rough are scenarios in which all happens that often that a missing rule is soon noticed.
func rough() map[string]faults {
	return map[string]faults{
		"nodes stand still":         {partition: [2]int{15, 0}, lost: [2]int{60, 0}, pause: 25},
		"nodes stand still and die": {outage: [2]int{8, 0}, partition: [2]int{15, 0}, lost: [2]int{60, 0}, pause: 15, crash: 4},
		"the durable store is away": {outage: [2]int{0, 12}, lost: [2]int{0, 40}, crash: 8},
		"answers are lost":          {lost: [2]int{80, 0}},
		"the fast store goes back":  {rewind: 30},
		"the durable store alone":   {outage: [2]int{0, 12}, lost: [2]int{0, 60}, patient: true},
		"no local stores":           {partition: [2]int{15, 0}, lost: [2]int{60, 0}, pause: 25, alone: true},
		"nor many misfortunes":      {lost: [2]int{80, 0}, alone: true},
		"and others go on":          {lost: [2]int{60, 0}, pause: 8, steps: 2000, work: 50, eager: true},
		"created in an outage":      {partition: [2]int{0, 15}, lost: [2]int{60, 0}, unborn: true, steps: 1000, work: 40},
		"half of the fast store":    {shard: 15, partition: [2]int{4, 4}, lost: [2]int{60, 20}, pause: 10, crash: 4},
		"everything":                {outage: [2]int{8, 4}, partition: [2]int{15, 4}, lost: [2]int{60, 30}, pause: 15, crash: 4},
		// Calls are that quick that many fit into the time for which a node relies on what it has read.
		"quick calls, lost answers":      {lost: [2]int{80, 0}, pace: 5, work: 80, steps: 1200},
		"quick calls, nodes stand still": {lost: [2]int{60, 0}, pause: 4, pace: 5, work: 30, eager: true},
		"quick calls, everything":        {outage: [2]int{4, 2}, partition: [2]int{8, 2}, lost: [2]int{40, 20}, pause: 5, crash: 2, pace: 5, work: 80, steps: 800},
	}
}

// standby are scenarios of the mode Standby.
func standby() map[string]faults {
	all := map[string]faults{
		"the fast store is away":         {outage: [2]int{6, 0}, lost: [2]int{40, 0}},
		"nodes do not reach the fast":    {partition: [2]int{8, 0}, lost: [2]int{40, 0}},
		"and nodes die":                  {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{40, 0}, crash: 6},
		"and answers do not arrive":      {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{40, 20}, crash: 6},
		"and nodes stand still":          {outage: [2]int{4, 0}, partition: [2]int{4, 0}, lost: [2]int{30, 0}, pause: 8},
		"the fast store goes back":       {outage: [2]int{2, 0}, lost: [2]int{20, 0}, rewind: 8, crash: 2},
		"the durable store is away":      {outage: [2]int{0, 6}, lost: [2]int{10, 40}, crash: 2},
		"a node without the durable":     {partition: [2]int{0, 8}, lost: [2]int{0, 20}},
		"one store at a time":            {outage: [2]int{4, 4}, lost: [2]int{30, 30}, crash: 2, oneAtOnce: true},
		"both, and each node for itself": {outage: [2]int{3, 3}, partition: [2]int{3, 3}, lost: [2]int{30, 30}, pause: 4},
		"half of the fast store is away": {shard: 8, lost: [2]int{40, 0}, crash: 2},
		"quick calls":                    {outage: [2]int{3, 0}, partition: [2]int{6, 0}, lost: [2]int{40, 0}, pause: 4, pace: 5, work: 80, steps: 800},
		"all that":                       {outage: [2]int{8, 0}, partition: [2]int{15, 0}, lost: [2]int{60, 0}, pause: 15, rewind: 8, crash: 4},
	}
	for name, f := range all {
		f.standby = true
		all[name] = f
	}
	return all
}

const steps = 400

// seeds is how many runs each scenario has: SEEDS in the environment, or what an ordinary test has time for.
func seeds() int {
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		return n
	}
	return 2000 / slowdown
}

// first is the seed before the first: FIRST in the environment, or none.
func first() int {
	n, _ := strconv.Atoi(os.Getenv("FIRST"))
	return n
}

// search runs seeds until one goes wrong, and returns that.
func search(f faults, r fallback.Rules, first, n int) (*simulation, uint64, int) {
	var next, acked atomic.Int64
	var found atomic.Pointer[simulation]
	var at atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for found.Load() == nil {
				seed := first + int(next.Add(1))
				if seed > first+n {
					return
				}
				s := simulate(uint64(seed), f, r, false)
				acked.Add(int64(len(s.acked)))
				if len(s.wrong) > 0 && found.CompareAndSwap(nil, s) {
					at.Store(uint64(seed))
				}
			}
		})
	}
	workers.Wait()
	if found.Load() != nil { // once more, to see what happens
		return simulate(at.Load(), f, r, true), at.Load(), int(acked.Load())
	}
	return nil, 0, int(acked.Load())
}

// No acknowledged write is lost or there twice, no destroyed session comes back, and nobody reads what is older than a
// second.
func TestSimulation(t *testing.T) {
	all := scenarios()
	for name, f := range rough() {
		all["rough: "+name] = f
	}
	for name, f := range standby() {
		all["standby: "+name] = f
	}
	for name, f := range all {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			s, seed, acked := search(f, fallback.Rules{}, first(), seeds())
			if s != nil {
				t.Fatalf("seed %d:\n%s\n%s", seed, strings.Join(s.wrong, "\n"), strings.Join(s.history, "\n"))
			}
			t.Logf("%d runs, %d acknowledged writes", seeds(), acked)
		})
	}
}

// noticed has a run for each rule that goes wrong without it. When the code changes others do.
func noticed() map[string]run {
	return map[string]run{
		"acknowledge what only the cache has":     {"created in an outage", 4},
		"leave no note of an end":                 {"created in an outage", 581},
		"believe a cache that has restarted":      {"the fast store goes back", 3},
		"tell the cache what is not new any more": {"and others go on", 5},
		"keep the generation":                     {"answers are lost", 3},
		"let a branch win that has grown since":   {"the durable store alone", 641},
		"let an older copy replace a newer one":   {"answers are lost", 21},
		"no mark of a destroyed session":          {"and others go on", 1},
		"put something over a branch":             {"created in an outage", 41},
		"write past the cache without a word":     {"and others go on", 12},
		"take a word back at once":                {"quick calls, lost answers", 34},
		"acknowledge by an old state":             {"and others go on", 583},
	}
}

// noticedStandby has the same for those of Standby.
func noticedStandby() map[string]run {
	return map[string]run{
		"carry no tombstones":                {"all that", 273},
		"do not wait until all have heard":   {"and nodes die", 212},
		"go on without a word":               {"and answers do not arrive", 316},
		"leave no tombstone":                 {"all that", 2},
		"rely on a store that has gone back": {"all that", 188},
	}
}

type run struct {
	scenario string
	seed     int
}

// Each of these rules is needed: without it, some run goes wrong.
func TestAblations(t *testing.T) {
	ablate(t, rough(), fallback.AblatedRules(), noticed())
}

// So is each of Standby.
func TestAblationsStandby(t *testing.T) {
	ablate(t, standby(), fallback.AblatedStandby(), noticedStandby())
}

func ablate(t *testing.T, scenarios map[string]faults, rules map[string]fallback.Rules, noticed map[string]run) {
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			if known, ok := noticed[name]; ok { // to save the time
				if s, _, _ := search(scenarios[known.scenario], fallback.Rules{}, known.seed-1, 1); s != nil {
					t.Fatalf("seed %d goes wrong with all rules: %s", known.seed, s.wrong[0])
				}
				if s, _, _ := search(scenarios[known.scenario], rules[name], known.seed-1, 1); s != nil {
					return
				}
			}
			const some = 1000 // of one scenario, before others have their turn
			for first := 0; first < max(40_000/slowdown, seeds()); first += some {
				for _, scenario := range slices.Sorted(maps.Keys(scenarios)) {
					if s, seed, _ := search(scenarios[scenario], rules[name], first, some); s != nil {
						t.Logf("noticed when %s, seed %d: %s", scenario, seed, s.wrong[0])
						return
					}
				}
			}
			t.Error(fmt.Sprint("nobody notices: ", name))
		})
	}
}
