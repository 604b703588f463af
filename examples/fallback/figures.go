package main

import (
	"slices"
	"sync"
	"time"
)

const (
	history = 60 // seconds that the page shows
	recent  = 5  // seconds over which rates and latencies are taken
)

// figures counts what happens, second by second. It is safe for concurrent use.
type figures struct {
	mu      sync.Mutex
	seconds [history + 1]second
	total   totals
}

// second is what has happened in one second.
type second struct {
	at       int64 // unix time
	Requests int   `json:"requests"`
	Errors   int   `json:"errors"`
	// Reads and Changes tell, by place, where sessions were found and changes kept.
	Reads   [places]int `json:"reads"`
	Changes [places]int `json:"changes"`
	took    []time.Duration
}

type totals struct {
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
	// Old are those that were not served, and not counted as errors, because their session had ended: while no store can be
	// asked about it, nobody knows that.
	Old int `json:"old"`
}

// now returns the second that it is. The lock is held.
func (f *figures) now() *second {
	at := time.Now().Unix()
	s := &f.seconds[at%int64(len(f.seconds))]
	if s.at != at {
		*s = second{at: at, took: s.took[:0]}
	}
	return s
}

// served counts an answer of a node.
func (f *figures) served(change bool, found, stored place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.now(); change {
		s.Changes[stored]++
	} else {
		s.Reads[found]++
	}
}

// asked counts a request as its visitor has seen it. old tells that its session had ended before.
func (f *figures) asked(took time.Duration, ok, old bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.now()
	s.Requests++
	f.total.Requests++
	s.took = append(s.took, took)
	switch {
	case ok:
	case old:
		f.total.Old++
	default:
		s.Errors++
		f.total.Errors++
	}
}

// traffic is what the page shows of requests.
type traffic struct {
	Rate    float64  `json:"rate"`   // requests a second, lately
	Errors  float64  `json:"errors"` // of them, those that were not served
	P99     float64  `json:"p99"`    // milliseconds, lately
	Total   totals   `json:"total"`
	Seconds []second `json:"seconds"` // the oldest first
}

// traffic returns it, without the second that has not ended.
func (f *figures) traffic() traffic {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := traffic{Total: f.total}
	var took []time.Duration
	end := time.Now().Unix()
	for at := end - history; at < end; at++ {
		s := f.seconds[at%int64(len(f.seconds))]
		if s.at != at {
			s = second{}
		}
		if t.Seconds = append(t.Seconds, s); at >= end-recent {
			t.Rate += float64(s.Requests) / recent
			t.Errors += float64(s.Errors) / recent
			took = append(took, s.took...)
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		t.P99 = float64(took[len(took)*99/100].Microseconds()) / 1000
	}
	return t
}

// news is what has happened to servers and nodes, the latest first. It is safe for concurrent use.
type news struct {
	mu    sync.Mutex
	items []item
}

type item struct {
	At   string `json:"at"`
	Who  string `json:"who"`
	Text string `json:"text"`
}

// newsMost is how much of it is kept.
const newsMost = 40

func (n *news) add(who, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.items = slices.Insert(n.items, 0, item{time.Now().Format("15:04:05"), who, text})
	n.items = n.items[:min(len(n.items), newsMost)]
}

func (n *news) latest() []item {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.items)
}
