package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

const most = 64 // clients, of the workloads that the goals are about

// targets are the goals of this project for its speed, each once, with what this result says.
func (r *Result) targets() []target {
	return slices.Concat(r.requestTargets(), r.costTargets(), r.contentionTargets(), r.elsewhereTargets(), r.setupTargets())
}

func (r *Result) requestTargets() []target {
	both := []string{"nonstick-goredis", "nonstick-redigo"}
	exclusive := []string{"nonstick-goredis-exclusive", "nonstick-redigo-exclusive"}
	into := r.cells("slide", most, func(c cell, name string) part { return atMost(c.In, 100, "%.0f", "B "+name) }, both...)
	each := r.cells("slide", most, func(c cell, _ string) part {
		return part{text: fmt.Sprintf("%.2f and %.0f B if each request touches", c.rate, c.In), there: true, ok: true} // for comparison
	}, "nonstick-goredis-touch")
	return []target{
		{"read", "GET by hand, req/s", ">= 0.95", [][]part{r.ratesFrom(0.95, "read", most, both...)}, r.bestRate("read", most)},
		{
			"read and keep alive; bytes into Redis", "GETEX by hand, req/s", ">= 0.95; <= 100",
			[][]part{r.ratesFrom(0.95, "slide", most, both...), into, each}, r.bestRate("slide", most),
		},
		{
			"read, change, write, with conflict detection; round trips", "blind GET + SET by hand, req/s", ">= 0.90; 2",
			[][]part{r.ratesFrom(0.90, "change", most, both...), r.tripsOf(2, "change", most, both...)},
			r.bestRate("change", most),
		},
		{
			"the same, Exclusive; round trips", "unlocked GET + SET by hand, req/s", ">= 0.75; 2",
			[][]part{r.ratesFrom(0.75, "change", most, exclusive...), r.tripsOf(2, "change", most, exclusive...)}, "",
		},
	}
}

func (r *Result) costTargets() []target {
	both := []string{"nonstick-goredis", "nonstick-redigo"}
	allocs := func(c cell) float64 { return c.allocs }
	cpu := func(c cell) float64 { return c.cpu }
	return []target{
		{
			"allocations, read / change", "GET / GET + SET by hand", "<= 4 / 8",
			[][]part{r.allocsTo(4, "read", most, both...), r.allocsTo(8, "change", most, both...)},
			pair(r.best("read", most, true, "%+.0f", allocs), r.best("change", most, true, "%+.0f", allocs)),
		},
		{
			"CPU of application and Redis, read / change", "the same by hand", "<= 1.08 / 1.20",
			[][]part{r.cpusTo(1.08, "read", most, both...), r.cpusTo(1.20, "change", most, both...)},
			pair(r.best("read", most, true, "%.2f", cpu), r.best("change", most, true, "%.2f", cpu)),
		},
		{
			"session not needed: commands, keys, cookies; allocations; CPU", "net/http without a session", "0; <= 2; <= 1.05",
			[][]part{r.idleParts("anonymous", "without a cookie"), r.idleParts("untouched", "with one")},
			r.best("untouched", most, true, "CPU %.2f", cpu, "scs-goredis"),
		},
	}
}

// idleParts are about requests that do not ask for their session.
func (r *Result) idleParts(workload, label string) []part {
	const name = "nonstick-goredis"
	c, ok := r.cell(name, workload, most)
	if !ok {
		return []part{{text: label}}
	}
	sum := float64(c.Keys + c.Cookies)
	for _, n := range c.Commands {
		sum += n
	}
	return []part{
		atMost(sum, 0, "%.0f", label), atMost(math.Round(c.allocs)+0, 2, "%+.0f", "allocations"), atMost(c.cpu, 1.05, "%.2f", "CPU"),
	}
}

func (r *Result) contentionTargets() []target {
	var hot []part
	for _, name := range []string{"nonstick-goredis", "nonstick-redigo"} {
		for _, workload := range []string{"hot", "crowd"} {
			for _, clients := range []int{16, 64} {
				processes := map[string]int{"hot": 1, "crowd": crowdProcesses}[workload]
				hot = append(hot, r.cells(workload, clients, func(c cell, name string) part {
					p := atLeast(c.rate, 0.20, "%.2f", fmt.Sprintf("%s %d/%d", name, clients, processes))
					if c.Lost != 0 || c.Refused != 0 {
						p.ok, p.text = false, fmt.Sprintf("%s: %d lost, %d refused", p.text, c.Lost, c.Refused)
					}
					return p
				}, name)...)
			}
		}
	}
	lost := r.best("hot", 16, true, "%.0f %% lost", func(c cell) float64 {
		return 100 * share(float64(c.Lost), float64(c.Requests))
	})
	return []target{
		{"all clients on one session (clients/processes): lost; refused; req/s", "the same by hand, blind", "0; 0; >= 0.20", [][]part{hot}, lost},
		{
			"lock, 16 clients on 16 nodes, 5 ms: req/s; p99 wait; fairness (fewest over most); requests to Redis each", "mutex in one process",
			">= 0.95; <= 1.1; >= 0.9; <= 4", [][]part{r.lockParts("nonstick-goredis"), r.lockParts("nonstick-redigo")}, r.bestLock(),
		},
	}
}

// lockParts are about a lock, in comparison with a mutex in one process.
func (r *Result) lockParts(name string) []part {
	ideal, ok := r.cell(lockIdeal, "lock", lockClients)
	parts := r.cells("lock", lockClients, func(c cell, name string) part { return atLeast(c.rate, 0.95, "%.2f", name) }, name)
	if !ok || !parts[0].there {
		return parts
	}
	c, _ := r.cell(name, "lock", lockClients)
	if c.Lost != 0 || c.Refused != 0 {
		parts[0].ok, parts[0].text = false, fmt.Sprintf("%s: %d lost, %d refused", parts[0].text, c.Lost, c.Refused)
	}
	return append(parts, atMost(share(c.P99, ideal.P99), 1.1, "%.2f", "p99"), atLeast(c.Fairness, 0.9, "%.2f", "fair"),
		atMost(c.Trips, 4, "%.1f", "requests"))
}

// bestLock is the fastest of the peers' locks.
func (r *Result) bestLock() string {
	ideal, _ := r.cell(lockIdeal, "lock", lockClients)
	text, rate := "", 0.0
	for _, name := range []string{"redislock-1ms", "redsync"} {
		if c, ok := r.cell(name, "lock", lockClients); ok && c.rate > rate {
			rate = c.rate
			text = fmt.Sprintf("%.2f, %.1f p99, %.2f fair, %.0f requests %s", c.rate, share(c.P99, ideal.P99), c.Fairness, c.Trips, name)
		}
	}
	return text
}

func (r *Result) elsewhereTargets() []target {
	rewrites := r.cells("slide", most, func(c cell, _ string) part {
		return atMost(c.In, 1000, "%.0f", "B into MariaDB to slide") // a session has about 1 KiB
	}, "nonstick-mysql-touch")
	return []target{
		{
			"MySQL, read / change; a slide does not rewrite data", "prepared statements by hand, req/s", ">= 0.95 / 0.90; < 1 KiB",
			[][]part{r.ratesFrom(0.95, "read", most, "nonstick-mysql"), r.ratesFrom(0.90, "change", most, "nonstick-mysql"), rewrites},
			pair(r.bestRate("read", most, "scs-mysql"), r.bestRate("change", most, "scs-mysql")),
		},
		{
			"files with atomic replacement, read / change", "gorilla's file store, req/s", ">= 2.5 / 4",
			[][]part{r.ratesFrom(2.5, "read", most, "nonstick-files"), r.ratesFrom(4, "change", most, "nonstick-files")}, "1 gorilla-files",
		},
		{
			"each adapter: allocations, CPU of a read", "the core, both over the same by hand", "<= 3; <= 3 %",
			[][]part{r.adapterParts("gin"), r.adapterParts("echo"), r.adapterParts("fiber")}, "",
		},
	}
}

// adapterParts are what an adapter adds to what the core does, each over the same by hand on its framework. The share of
// CPU is that of a request with net/http.
func (r *Result) adapterParts(framework string) []part {
	var c, hand [2]cell
	for i, name := range []string{"goredis", framework} {
		var ok, floor bool
		c[i], ok = r.cell("nonstick-"+name, "read", most)
		if hand[i], floor = r.cell("raw-"+name, "read", most); !ok || !floor {
			return []part{{text: framework}}
		}
	}
	over := func(i int) float64 { return c[i].CPU + c[i].ServerCPU - hand[i].CPU - hand[i].ServerCPU }
	more := share(over(1)-over(0), c[0].CPU+c[0].ServerCPU)
	return []part{
		atMost(math.Round(c[1].allocs-c[0].allocs)+0, 3, "%+.0f", framework), atMost(100*more, 3, "%+.0f", "% CPU "+framework),
	}
}

func (r *Result) setupTargets() []target {
	opened := r.cells("defaults", most, func(c cell, name string) part { return atMost(float64(c.Opened), 0, "%.0f", name) },
		"nonstick-goredis-defaults", "nonstick-redigo-defaults")
	var hand []string
	for _, name := range []string{"raw-goredis-defaults", "raw-redigo-defaults"} {
		if c, ok := r.cell(name, "defaults", most); ok {
			hand = append(hand, fmt.Sprintf("%d in %d requests %s", c.Opened, c.Requests, name))
		}
	}
	return []target{
		{
			"one key of a session of 1 / 64 KiB: read; change", "a request that uses no key", "<= 1 µs, 5 allocations; <= 20 µs",
			[][]part{r.keyParts("read", 1, 5), r.keyParts("change", 20, math.Inf(1))}, r.keyPeers(),
		},
		{
			"Redis memory of a session of 1 KiB; compressed 4 / 64 KiB", "a string with the same values", "<= 1.16; 1.9 / 2.6 times smaller",
			[][]part{r.memoryParts()}, r.memoryPeers(),
		},
		{"connections opened in steady state, default options", "64 clients", "0", [][]part{opened}, strings.Join(hand, "; ")},
	}
}
