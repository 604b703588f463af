package main

import (
	"fmt"
	"sync"
	"time"
)

// lag is for how long a node may not know of a change that another one has acknowledged: twice what the store promises, because
// clocks and requests take their time too. The node that has acknowledged it knows it at once.
const lag = 2 * time.Second

// checker counts what the visitors find. It is safe for concurrent use.
type checker struct {
	mu sync.Mutex
	findings
}

// findings are what the page shows of a checker.
type findings struct {
	Checks       int `json:"checks"`        // answers that were compared with what had been acknowledged
	Acknowledged int `json:"acknowledged"`  // changes
	Logins       int `json:"logins"`        // new sessions
	Logouts      int `json:"logouts"`       // those that were acknowledged
	SessionsLost int `json:"sessions_lost"` // visitors who were logged out and had not asked for it
	ChangesLost  int `json:"changes_lost"`  // acknowledged changes that were not there, or there twice
	Undone       int `json:"undone"`        // logouts after which the session was served
	Late         int `json:"late"`          // answers that did not know of a change on another node, less than lag ago
}

func (c *checker) count(do func(f *findings)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(&c.findings)
}

func (c *checker) found() findings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findings
}

// fact is something that a node has acknowledged.
type fact struct {
	node string
	at   time.Time
}

// binds reports whether an answer that node gave to a question asked at a time has to know of it.
func (f fact) binds(node string, asked time.Time) bool {
	return node == f.node || asked.Sub(f.at) > lag
}

// visit is one session as its visitor knows it.
type visit struct {
	token string
	home  string // the balancer's cookie

	login  fact
	values map[string]fact // what was set to its own name
	visits []fact          // those that were acknowledged
	asked  int             // visits that were acknowledged, or perhaps not
	logout fact
}

// compare compares an answer with what was acknowledged, and reports whether the visit can go on.
func (c *checker) compare(v *visit, p page, asked time.Time) bool {
	lost, late := 0, false
	note := func(f fact) {
		if f.binds(p.Node, asked) {
			lost++
		} else {
			late = true
		}
	}
	if p.User == "" {
		gone := v.login.binds(p.Node, asked)
		c.count(func(f *findings) {
			f.Checks++
			if gone {
				f.SessionsLost++
			} else {
				f.Late++
			}
		})
		return !gone
	}
	for name, f := range v.values {
		if p.Values[name] != name {
			note(f)
		}
	}
	for i := p.Visits; i < len(v.visits); i++ { // the last ones are missing
		note(v.visits[i])
	}
	lost += max(0, p.Visits-v.asked) // counted twice
	c.count(func(f *findings) {
		f.Checks++
		f.ChangesLost += lost
		if late {
			f.Late++
		}
	})
	return lost == 0
}

// ended looks whether the session of a visit that was logged out is served.
func (c *checker) ended(v *visit, p page, asked time.Time) {
	undone := p.User != "" && v.logout.binds(p.Node, asked)
	c.count(func(f *findings) {
		f.Checks++
		if undone {
			f.Undone++
		} else if p.User != "" {
			f.Late++
		}
	})
}

// String is one line for the terminal.
func (f findings) String() string {
	return fmt.Sprintf("%d changes and %d logouts acknowledged, %d answers checked: %d sessions lost, %d changes lost, %d logouts undone",
		f.Acknowledged, f.Logouts, f.Checks, f.SessionsLost, f.ChangesLost, f.Undone)
}
