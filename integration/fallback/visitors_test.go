package fallback_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// crowd are the visitors of a site.
type crowd struct {
	site   *site
	sticky bool // each visitor stays with one node
	apart  bool // nodes do not know of each other for a while: see fault
	lossy  bool // Redis goes back in time, and nothing else has what it loses: that is counted, but no finding
	pause  time.Duration

	forgetful bool          // remember a few latencies only
	lag       time.Duration // for how long other nodes may not know of a change

	visitors []*visitor

	stop    chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	phase    string
	strike   time.Time                  // when the fault began
	took     map[string][]time.Duration // by phase
	refused  map[string]int             // 503, by phase
	acked    int
	logouts  int
	findings []string

	lost, undone, out atomic.Int64 // how often it was seen
	late              atomic.Int64 // requests with tokens of sessions that have ended: what the cache does not have, MariaDB is asked for
}

// visitor is somebody with one session and two tabs.
type visitor struct {
	crowd *crowd
	name  string
	home  int

	mu    sync.Mutex
	token string
	since time.Time // of the login
	added []event   // words that were acknowledged
	asked int
	ended []event // tokens of sessions that the visitor has ended
}

// event is something that was acknowledged.
type event struct {
	what  string
	asked time.Time
	at    time.Time
}

// known returns what all nodes have to know by now.
func (c *crowd) known(events []event) (known []event) {
	for _, e := range events {
		if time.Since(e.at) >= c.lag {
			known = append(known, e)
		}
	}
	return known
}

// visit lets visitors in. What is special about them is set before.
func (s *site) visit(n int, sticky bool, pause, lag time.Duration, special ...func(*crowd)) *crowd {
	c := &crowd{site: s, sticky: sticky, pause: pause, lag: lag, stop: make(chan struct{}), phase: "before",
		took: map[string][]time.Duration{}, refused: map[string]int{}}
	for _, set := range special {
		set(c)
	}
	for i := range n {
		v := &visitor{crowd: c, name: fmt.Sprint(i), home: i % len(s.nodes)}
		c.visitors = append(c.visitors, v)
		if !v.login() {
			s.t.Fatal("a visitor cannot log in before anything has happened")
		}
		for tab := range 2 {
			c.running.Go(func() { v.browse(tab) })
		}
	}
	return c
}

// enter begins a phase, after which latencies are told apart. The first one is the fault.
func (c *crowd) enter(phase string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase = phase; c.strike.IsZero() {
		c.strike = time.Now()
	}
}

// struck is when the fault began; now, if it has not.
func (c *crowd) struck() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.strike.IsZero() {
		return time.Now()
	}
	return c.strike
}

func (c *crowd) find(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, fmt.Sprintf("%s, at %v: ", c.phase, time.Now().UTC().Format(time.TimeOnly))+fmt.Sprintf(format, args...))
}

// leave sends all visitors home.
func (c *crowd) leave() {
	close(c.stop)
	c.running.Wait()
}

// fail fails the test for what the visitors have found.
func (c *crowd) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.findings[:min(len(c.findings), 10)] {
		c.site.t.Error(f)
	}
	if n := len(c.findings); n > 10 {
		c.site.t.Errorf("and %d more", n-10)
	}
}

// report logs how long requests took in each phase.
func (c *crowd) report() {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := []string{fmt.Sprintf("%d changes acknowledged, %d logouts", c.acked, c.logouts)}
	for phase, took := range c.took {
		slices.Sort(took)
		at := func(share float64) time.Duration {
			return took[int(share*float64(len(took)-1))].Round(10 * time.Microsecond)
		}
		lines = append(lines, fmt.Sprintf("%-8s %6d requests, p50 %v, p99 %v, max %v, %d refused", phase, len(took), at(.5), at(.99), at(1), c.refused[phase]))
	}
	slices.Sort(lines[1:])
	c.site.t.Log(strings.Join(lines, "\n"))
}

func (v *visitor) node() *node {
	i := v.home
	if !v.crowd.sticky {
		i = rand.IntN(len(v.crowd.site.nodes))
	}
	return v.crowd.site.nodes[i]
}

// get sends a request and notes how it went.
func (v *visitor) get(path, token string) (status int, p page, newToken string) {
	n := v.node()
	status, p, newToken, took := n.get(path, token)
	c := v.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgetful && len(c.took[c.phase]) >= 10000 {
		c.took[c.phase] = c.took[c.phase][:0]
	}
	c.took[c.phase] = append(c.took[c.phase], took)
	if status != http.StatusOK {
		c.refused[c.phase]++
	}
	return status, p, newToken
}

func (v *visitor) login() bool {
	status, _, token := v.get("/login", "")
	if status != http.StatusOK || token == "" {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token, v.added, v.since = token, nil, time.Now()
	return true
}

// browse is what one tab does until the crowd leaves.
func (v *visitor) browse(tab int) {
	for i := 0; ; i++ {
		select {
		case <-v.crowd.stop:
			return
		case <-time.After(time.Duration(float64(v.crowd.pause) * (0.5 + rand.Float64()))):
		}
		switch {
		case tab == 0 && rand.IntN(60) == 0:
			v.relogin()
		case tab == 0 && v.isOut():
			v.insist(v.login)
		case rand.IntN(3) == 0:
			v.add()
		default:
			v.show()
		}
	}
}

// isOut reports whether the visitor has to log in again.
func (v *visitor) isOut() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.token == "" && v.crowd.lossy
}

func (v *visitor) add() {
	v.mu.Lock()
	v.asked++
	token, word, asked := v.token, fmt.Sprint(v.name, ".", v.asked), time.Now()
	v.mu.Unlock()
	if token == "" {
		return
	}
	status, p, _ := v.get("/add?word="+word, token)
	if status != http.StatusOK {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.token != token: // the other tab has logged out meanwhile
	case p.User == "" && v.crowd.apart:
	case p.User == "":
		v.loggedOut()
	default:
		v.added = append(v.added, event{word, asked, time.Now()})
		v.crowd.mu.Lock()
		v.crowd.acked++
		v.crowd.mu.Unlock()
	}
}

// show looks whether everything is there that was acknowledged before, and sometimes whether what was ended stays so.
func (v *visitor) show() {
	v.mu.Lock()
	token, must := v.token, v.crowd.known(v.added)
	var ended string
	if over := v.crowd.known(v.ended); len(over) > 0 && !v.crowd.apart && rand.IntN(4) == 0 {
		ended = over[rand.IntN(len(over))].what
	}
	v.mu.Unlock()
	if ended != "" {
		v.crowd.late.Add(1)
		if status, p, _ := v.get("/show", ended); status == http.StatusOK && p.User != "" {
			v.crowd.undone.Add(1)
			v.crowd.find("visitor %s has logged out and is served with the old token", v.name)
		}
		return
	}
	if token == "" {
		return
	}
	status, p, _ := v.get("/show", token)
	if status != http.StatusOK {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.token == token {
		v.compare(p, must)
	}
}

// compare looks at what was served while the session went on.
func (v *visitor) compare(p page, must []event) {
	if v.crowd.apart {
		return
	}
	if p.User == "" {
		v.loggedOut()
		return
	}
	place := make(map[string]int)
	for i, w := range p.Words {
		if _, twice := place[w]; twice {
			v.crowd.find("visitor %s has %s twice", v.name, w)
		}
		place[w] = i
	}
	for _, e := range must {
		if _, ok := place[e.what]; !ok && v.crowd.lossy {
			v.crowd.lost.Add(1)
			v.added = slices.DeleteFunc(v.added, func(a event) bool { return a.what == e.what }) // it counts once
		} else if !ok {
			v.crowd.lost.Add(1)
			v.crowd.find("visitor %s has lost %s", v.name, e.what)
			return
		}
	}
	slices.SortFunc(must, func(a, b event) int { return cmp.Compare(place[a.what], place[b.what]) })
	var latest event // of those before, the one that was asked for last
	for _, e := range must {
		if e.at.Before(latest.asked) {
			v.crowd.find("visitor %s has %s after %s, which was asked for when that was acknowledged", v.name, e.what, latest.what)
		}
		if e.asked.After(latest.asked) {
			latest = e
		}
	}
}

// loggedOut notes that the visitor has been, by nobody's wish.
func (v *visitor) loggedOut() {
	v.crowd.out.Add(1)
	if v.crowd.lossy {
		v.crowd.lost.Add(int64(len(v.added)))
		v.token, v.added = "", nil // until the next login
		return
	}
	v.crowd.find("visitor %s is logged out", v.name)
}

// relogin logs out and in again, as often as it takes.
func (v *visitor) relogin() {
	v.mu.Lock()
	token := v.token
	since := v.since
	v.token = "" // what the other tab does meanwhile does not count
	v.mu.Unlock()
	if !v.insist(func() bool { status, _, _ := v.get("/logout", token); return status == http.StatusOK }) {
		return
	}
	v.mu.Lock()
	if v.crowd.forgetful && len(v.ended) >= 100 {
		v.ended = slices.Delete(v.ended, 0, 50)
	}
	if !v.crowd.apart || since.Before(v.crowd.struck()) { // else the node may not have known what to end
		v.ended = append(v.ended, event{token, time.Time{}, time.Now()})
	}
	v.mu.Unlock()
	v.crowd.mu.Lock()
	v.crowd.logouts++
	v.crowd.mu.Unlock()
	v.insist(v.login)
}

// insist does something until it works, or the crowd leaves.
func (v *visitor) insist(do func() bool) bool {
	for !do() {
		select {
		case <-v.crowd.stop:
			return false
		case <-time.After(v.crowd.pause):
		}
	}
	return true
}
