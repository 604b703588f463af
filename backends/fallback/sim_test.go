package fallback_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// A simulation is one run of several nodes on two stores, all of it decided by a seed. One goroutine runs at a time: each
// stops before and after every call of a store, and the seed says which goes on, when a store fails, and when a node dies.
type simulation struct {
	rnd     *rand.Rand
	faults  faults
	rules   fallback.Rules
	now     time.Time
	nodes   []*node
	tiers   [2]*tier // fast, durable
	running []*task
	verbose bool // keep a history
	history []string
	wrong   []string

	id        session.ID
	acked     []ack
	popped    []ack
	perhaps   map[string]bool              // words that somebody has wanted to remove
	inVain    map[string][]session.Version // in which a word was to be stored before it was
	made      map[session.Version]bool     // in the durable store
	destroyed []ack
	begun     bool // to create the session
	created   bool
	doubtful  bool // the answer to some Destroy was lost
	halfway   bool // a node has died in the middle of one
	patient   bool
	alone     bool
	strict    bool // what was acknowledged must be read everywhere a second later
	standby   bool
	lossy     bool // the store that has the sessions goes back in time
	single    bool // no two misfortunes come together, so there is nothing to merge
	tries     int
}

// faults are how often things happen, out of 1,000 steps.
type faults struct {
	outage    [2]int // of a store, for all nodes
	partition [2]int // of a node from a store
	shard     int    // one half of the fast store is away
	lost      [2]int // calls whose answer does not arrive, and those that are made late
	rewind    int    // the fast store restarts, with what it had a while ago or with nothing
	crash     int
	pause     int // of a whole node, for seconds
	oneAtOnce bool
	alone     bool // there are no local stores
	patient   bool // a slow call of the fast store is none that has failed
	standby   bool // the fast store has the sessions
	pace      int  // the longest step in ms; zero for 20
	steps     int  // zero for 400
	work      int  // how often somebody begins something, out of 1,000; zero for 200
	unborn    bool // the session is created in the middle of it all
	eager     bool // nodes read the state as soon as they can
}

// calm reports whether a store is never in trouble.
func (f faults) calm(i int) bool {
	return f.outage[i]+f.partition[i]+f.lost[i]+(1-i)*(f.shard+f.rewind) == 0
}

// single reports whether only one of the stores is ever in trouble.
func (f faults) single() bool { return f.calm(0) || f.calm(1) }

// ack is something that was acknowledged.
type ack struct {
	what string
	node int
	at   time.Time
	seen bool // by all nodes, from then on
}

type node struct {
	sim      *simulation
	index    int
	engine   *fallback.Engine
	cut      [2]time.Time // until when it does not reach a store
	paused   time.Time    // until when nothing of it runs
	nextTick time.Time
	ticking  bool
	draining bool
	local    *memstore.Store // its disk
	born     int
	last     uint64
}

// Now implements fallback.Clock.
func (n *node) Now() time.Time { return n.sim.now }

// tier is a store that fails.
type tier struct {
	session.Handler
	index    int
	down     time.Time
	half     time.Time // until when the keys that are odd are away
	late     []func()
	known    map[session.ID]bool // what was ever written to
	began    map[string]bool     // since the last restart
	snapshot map[session.ID]session.Record
}

func newTier(index int) *tier {
	return &tier{Handler: memstore.New(nil), index: index, known: make(map[session.ID]bool), began: make(map[string]bool)}
}

// save makes a snapshot.
func (t *tier) save() {
	t.snapshot = make(map[session.ID]session.Record)
	for id := range t.known {
		if rec, err := t.Handler.Read(context.Background(), id); err == nil {
			t.snapshot[id] = rec
		}
	}
}

// restart loses all that is not in the snapshot. What is under way to the server dies with it.
func (t *tier) restart() {
	t.Handler, t.late = memstore.New(nil), nil
	clear(t.began)
	for id, rec := range t.snapshot {
		_ = t.Handler.Write(context.Background(), id, rec, session.Version{})
	}
}

// task is a goroutine of a node.
type task struct {
	node *node
	born int
	name string
	run  chan bool // false: die
	idle chan struct{}
	done bool
}

type taskKey struct{}

func simulate(seed uint64, f faults, r fallback.Rules, verbose bool) *simulation {
	s := &simulation{patient: f.patient, alone: f.alone, standby: f.standby, lossy: f.standby && f.rewind > 0, perhaps: make(map[string]bool), inVain: make(map[string][]session.Version), made: make(map[session.Version]bool), single: f.single() && !f.standby, verbose: verbose, rnd: rand.New(rand.NewPCG(seed, 1)), rules: r, now: time.Now(), strict: f.calm(1) || f.calm(0) && f.patient}
	for i := range s.tiers {
		s.tiers[i] = newTier(i)
	}
	s.read(s.id[:])
	for i := range 3 {
		n := &node{sim: s, index: i, local: memstore.New(nil)}
		s.nodes = append(s.nodes, n)
		s.boot(n)
	}
	if s.begun = s.chance(700) && !f.unborn; s.begun {
		s.finish(s.nodes[0], creating, func(ctx context.Context) { s.create(ctx, s.nodes[0]) })
	}
	for _, n := range s.nodes {
		if f.patient { // all nodes have been there for a while
			s.finish(n, "tick", n.engine.Tick)
		}
	}
	s.faults = f
	for range cmp.Or(f.steps, steps) {
		s.step()
	}
	s.heal()
	s.check()
	return s
}

func (s *simulation) read(p []byte) {
	for i := range p {
		p[i] = byte(s.rnd.Uint32())
	}
}

// Read implements io.Reader for the engines.
func (s *simulation) Read(p []byte) (int, error) { s.read(p); return len(p), nil }

func (s *simulation) chance(perMille int) bool { return s.rnd.IntN(1000) < perMille }

func (s *simulation) logf(format string, args ...any) {
	if !s.verbose {
		return
	}
	s.history = append(s.history, fmt.Sprintf("%7dms ", s.now.UnixMilli()%10_000_000)+fmt.Sprintf(format, args...))
}

func (s *simulation) failf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.wrong = append(s.wrong, text)
	s.logf("WRONG: %s", text)
}

// boot starts a node, with nothing of what it knew before.
func (s *simulation) boot(n *node) {
	n.born++
	n.ticking, n.draining, n.nextTick = false, false, s.now
	var local fallback.Local
	if !s.alone {
		local = disk{n, n.local}
	}
	if s.standby {
		n.engine = fallback.NewStandby(&link{n, s.tiers[0]}, &link{n, s.tiers[1]}, n, s, s.rules)
	} else {
		n.engine = fallback.NewEngine(&link{n, s.tiers[0]}, &link{n, s.tiers[1]}, local, n, s, s.rules)
	}
	if s.patient {
		n.engine.Patient()
	}
	n.engine.Merge(func(base, winner, loser []byte) ([]byte, bool, error) {
		s.logf("node %d merges %q and %q, made of %q", n.index, winner, loser, base)
		if s.patient { // as when all is in one key
			return winner, true, nil
		}
		return mergeWords(base, winner, loser)
	})
	if s.alone {
		return
	}
	if err := n.engine.Load(context.Background()); err != nil {
		s.failf("load: %v", err)
	}
}

func (s *simulation) step() {
	s.now = s.now.Add(time.Duration(s.rnd.IntN(cmp.Or(s.faults.pace, 20))) * time.Millisecond)
	if s.chance(20) {
		s.now = s.now.Add(time.Duration(s.rnd.IntN(500)) * time.Millisecond)
	}
	s.misfortune()
	for _, n := range s.nodes {
		if !n.ticking && !s.now.Before(n.paused) && !s.now.Before(n.nextTick) && s.chance(700) {
			n.ticking = true
			s.begin(n, "tick", func(ctx context.Context) {
				born := n.born
				n.engine.Tick(ctx)
				if n.born == born {
					n.ticking, n.nextTick = false, s.now.Add(s.pause())
				}
			})
		}
	}
	for _, n := range s.nodes {
		s.single = s.single && (n.engine.FastUp() || s.faults.outage[1]+s.faults.lost[1] == 0) // a slow call is a misfortune too
		if !n.draining && (s.standby || n.engine.Open() > 0) && !s.now.Before(n.paused) && s.chance(100) {
			n.draining = true
			s.begin(n, "drain", func(ctx context.Context) {
				born := n.born
				n.engine.Drain(ctx)
				if n.born == born {
					n.draining = false
				}
			})
		}
	}
	still := func(t *task) bool { return s.now.Before(t.node.paused) }
	awake := slices.DeleteFunc(slices.Clone(s.running), still)
	if n := s.nodes[s.rnd.IntN(len(s.nodes))]; len(awake) < 8 && !s.now.Before(n.paused) && s.chance(cmp.Or(s.faults.work, 200)) {
		s.work(n)
	}
	if len(awake) > 0 {
		s.resume(awake[s.rnd.IntN(len(awake))])
	}
}

// pause is how long a node waits before it reads the state again.
func (s *simulation) pause() time.Duration {
	least, more := 100, 800
	if s.faults.eager {
		least, more = 10, 100
	}
	return time.Duration(least+s.rnd.IntN(more)) * time.Millisecond
}

// misfortune is what may happen at any time.
func (s *simulation) misfortune() {
	long := func() time.Time { return s.now.Add(time.Duration(s.rnd.IntN(8000)) * time.Millisecond) }
	trouble := func(index int) bool { // another store is in trouble, or was a moment ago
		other := s.tiers[1-index]
		bad := s.now.Before(other.down.Add(4 * time.Second))
		for _, n := range s.nodes {
			bad = bad || s.now.Before(n.cut[1-index].Add(4*time.Second))
		}
		for _, n := range s.nodes {
			bad = bad || index == 0 && n.engine.Open() > 0
		}
		return s.faults.oneAtOnce && bad
	}
	for i, t := range s.tiers {
		if s.chance(s.faults.outage[i]) && !trouble(i) {
			t.down = long()
			s.logf("store %d is away until %d", i, t.down.UnixMilli()%10_000_000)
		}
		if s.chance(s.faults.partition[i]) && !trouble(i) {
			n := s.nodes[s.rnd.IntN(len(s.nodes))]
			n.cut[i] = long()
			s.logf("node %d does not reach store %d until %d", n.index, i, n.cut[i].UnixMilli()%10_000_000)
		}
		if len(t.late) > 0 && s.chance(50) && !s.now.Before(t.down) {
			t.late[0]()
			t.late = t.late[1:]
		}
	}
	if s.faults.shard > 0 && s.chance(s.faults.shard) {
		s.tiers[0].half = long()
		s.logf("half of store 0 is away until %d", s.tiers[0].half.UnixMilli()%10_000_000)
	}
	if s.chance(5 * s.faults.rewind) {
		s.tiers[0].save()
	}
	if s.chance(s.faults.rewind) {
		if s.chance(300) {
			s.tiers[0].snapshot = nil
		}
		s.tiers[0].restart()
		s.logf("store 0 restarts with %d keys", len(s.tiers[0].snapshot))
	}
	if s.chance(s.faults.pause) {
		n := s.nodes[s.rnd.IntN(len(s.nodes))]
		n.paused = long()
		s.logf("node %d stands still until %d", n.index, n.paused.UnixMilli()%10_000_000)
	}
	if s.chance(s.faults.crash) {
		n := s.nodes[s.rnd.IntN(len(s.nodes))]
		s.logf("node %d dies", n.index)
		s.single = s.single && s.faults.outage[1]+s.faults.lost[1] == 0
		s.kill(n)
		s.boot(n)
	}
}

func (s *simulation) kill(n *node) {
	for _, t := range slices.Clone(s.running) {
		if t.node == n {
			t.run <- false
			<-t.idle
			s.running = slices.DeleteFunc(s.running, func(o *task) bool { return o == t })
		}
	}
}

// begin makes a task that has not run yet.
func (s *simulation) begin(n *node, name string, do func(ctx context.Context)) *task {
	t := &task{node: n, born: n.born, name: name, run: make(chan bool), idle: make(chan struct{})}
	s.running = append(s.running, t)
	go func() {
		defer func() { t.done = true; t.idle <- struct{}{} }()
		if <-t.run {
			do(context.WithValue(context.Background(), taskKey{}, t))
		}
	}()
	return t
}

// resume lets a task run to its next stop.
func (s *simulation) resume(t *task) {
	t.run <- true
	<-t.idle
	if t.done {
		s.running = slices.DeleteFunc(s.running, func(o *task) bool { return o == t })
	}
}

// finish runs a task to its end, with nothing in between.
func (s *simulation) finish(n *node, name string, do func(ctx context.Context)) {
	for t := s.begin(n, name, do); !t.done; {
		s.resume(t)
	}
}

// stop is where a task waits for its turn.
func stop(ctx context.Context) {
	t := ctx.Value(taskKey{}).(*task)
	t.idle <- struct{}{}
	if !<-t.run {
		runtime.Goexit()
	}
}

// record makes one as core does: its version is greater than the one it replaces.
func (s *simulation) record(n *node, prev session.Version, payload string) session.Record {
	n.last = max(n.last+1, binary.BigEndian.Uint64(prev[:8])+1, uint64(s.now.UnixMilli())<<16)
	var v session.Version
	binary.BigEndian.PutUint64(v[:8], n.last)
	binary.BigEndian.PutUint64(v[8:], uint64(n.index*1000+n.born))
	return session.Record{Version: v, Created: s.now, Seen: s.now, TTL: 24 * time.Hour, Payload: []byte(payload)}
}
