package main

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"time"
)

// Result is what the JSON file holds, from which tables and plots are made.
type Result struct {
	When     time.Time
	Go       string
	CPUs     int
	Sessions int
	Note     string // about the machine
	Variants []Variant
	Runs     []Run
	Keys     []KeyRun
	Memory   []MemoryRun
}

// KeyRun is the cost of using one key of a session, beyond that of a request that has the session and uses no key.
type KeyRun struct {
	Library string
	Use     string // read or change
	Size    int    // of the session, bytes
	Round   int
	Nanos   float64
	Allocs  float64
	Bytes   float64 // that it allocated
}

// MemoryRun is what Redis needs for a session of a size.
type MemoryRun struct {
	How   string
	Size  int   // of the values, bytes
	Bytes int64 // of Redis
}

// Variant is one program that was measured.
type Variant struct {
	Name      string
	Framework string
	Bare      string  // the variant without a session
	Floor     string  // the variant that does the same by hand
	StartMS   float64 // from the start of the process to the first answer, milliseconds
	Memory    int64   `json:",omitempty"` // bytes of Redis for a session of about 1 KiB
}

// Run is one variant under one workload in one round. CPU, Allocs, Bytes, Commands, In and Out are for each request.
type Run struct {
	Variant   string
	Workload  string
	Clients   int
	Round     int
	Requests  int
	Refused   int                // answers other than 200
	Lost      int                // acknowledged changes that are not there
	Rate      float64            // requests a second
	P50, P99  float64            // microseconds
	CPU       float64            // microseconds of the application
	ServerCPU float64            // microseconds of Redis and MariaDB
	Allocs    float64            // of the application
	Bytes     float64            // that it allocated
	Commands  map[string]float64 `json:",omitempty"` // of Redis
	In, Out   float64            // bytes to and from Redis and MariaDB
	Trips     float64            `json:",omitempty"` // round trips to Redis
	Cookies   int                `json:",omitempty"` // that answers brought, in all
	Keys      int                `json:",omitempty"` // more in Redis than before, in all
	Opened    int                `json:",omitempty"` // connections to Redis that were opened, in all
	Fairness  float64            `json:",omitempty"` // of locks: fewest over most acquisitions of a client
}

func newResult(sessions int, note string) *Result {
	return &Result{When: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), CPUs: runtime.NumCPU(), Sessions: sessions, Note: note}
}

func (r *Result) save(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func loadResult(path string) (*Result, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	return r, json.Unmarshal(data, r)
}

// cell is one variant under one workload, over all rounds.
type cell struct {
	Run             // medians
	spread  float64 // of Rate: greatest less least, of the median
	rate    float64 // to the floor (to bare, for a workload that needs no session), in the same rounds
	cpu     float64 // the same for the CPU of application and servers
	allocs  float64 // more than the floor's, or bare's
	ratioOf string
}

func (r *Result) variant(name string) Variant {
	for _, v := range r.Variants {
		if v.Name == name {
			return v
		}
	}
	return Variant{}
}

// cell sums up; false if there was no such run.
func (r *Result) cell(name, workload string, clients int) (cell, bool) {
	runs := r.of(name, workload, clients)
	if len(runs) == 0 {
		return cell{}, false
	}
	v := r.variant(name)
	c := cell{Run: runs[0], ratioOf: v.Floor}
	switch workload {
	case "anonymous", "untouched":
		c.ratioOf = v.Bare
	case "lock":
		c.ratioOf = lockIdeal
	}
	pick := func(f func(Run) float64) float64 { return median(runs, f) }
	c.Rate, c.P50, c.P99 = pick(func(x Run) float64 { return x.Rate }), pick(func(x Run) float64 { return x.P50 }), pick(func(x Run) float64 { return x.P99 })
	c.CPU, c.ServerCPU = pick(func(x Run) float64 { return x.CPU }), pick(func(x Run) float64 { return x.ServerCPU })
	c.Allocs, c.Bytes = pick(func(x Run) float64 { return x.Allocs }), pick(func(x Run) float64 { return x.Bytes })
	c.In, c.Out = pick(func(x Run) float64 { return x.In }), pick(func(x Run) float64 { return x.Out })
	c.Trips, c.Fairness = pick(func(x Run) float64 { return x.Trips }), pick(func(x Run) float64 { return x.Fairness })
	c.addUp(runs)
	rates := func(a, b Run) int { return int(a.Rate - b.Rate) }
	c.spread = share(slices.MaxFunc(runs, rates).Rate-slices.MinFunc(runs, rates).Rate, c.Rate)
	floor := r.of(c.ratioOf, workload, clients)
	if len(floor) != len(runs) {
		return c, true
	}
	c.allocs = c.Allocs - median(floor, func(x Run) float64 { return x.Allocs })
	c.rate = median(runs, func(x Run) float64 { return share(x.Rate, floor[x.Round].Rate) })
	c.cpu = median(runs, func(x Run) float64 { return share(x.CPU+x.ServerCPU, floor[x.Round].CPU+floor[x.Round].ServerCPU) })
	return c, true
}

// share is a of b, and nothing of nothing: a machine may stand still for the whole of a run.
func share(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// addUp sums what is not looked at on average.
func (c *cell) addUp(runs []Run) {
	c.Requests, c.Refused, c.Lost, c.Cookies, c.Keys, c.Opened = 0, 0, 0, 0, 0, 0
	for _, x := range runs {
		c.Requests, c.Refused, c.Lost = c.Requests+x.Requests, c.Refused+x.Refused, c.Lost+x.Lost
		c.Cookies, c.Keys, c.Opened = c.Cookies+x.Cookies, c.Keys+x.Keys, c.Opened+x.Opened
	}
}

// of are the runs of a cell, in the order of the rounds.
func (r *Result) of(name, workload string, clients int) []Run {
	var runs []Run
	for _, x := range r.Runs {
		if x.Variant == name && x.Workload == workload && x.Clients == clients {
			runs = append(runs, x)
		}
	}
	return runs
}

func median[T any](runs []T, f func(T) float64) float64 {
	all := make([]float64, len(runs))
	for i, x := range runs {
		all[i] = f(x)
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
