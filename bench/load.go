package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// workload is what the clients do. Each takes its sessions from a part of its own, except for those that are hot.
type workload struct {
	name      string
	path      func(i int) string
	cookie    bool
	clients   []int
	hot       bool // all use one session
	processes int  // of each variant; 0: one
	warm      bool // runs before it is measured, too, so that the connections are there
}

// crowdProcesses is how many processes of a variant share its sessions in the workload that wants several.
const crowdProcesses = 4

func workloads() []workload {
	always := func(path string) func(int) string { return func(int) string { return path } }
	return []workload{
		{name: "anonymous", path: always("/bare"), clients: []int{64}},
		{name: "untouched", path: always("/bare"), cookie: true, clients: []int{64}},
		{name: "read", path: always("/read"), cookie: true, clients: []int{1, 16, 64}},
		{name: "slide", path: always("/slide"), cookie: true, clients: []int{64}},
		{name: "change", path: always("/change"), cookie: true, clients: []int{1, 16, 64}},
		{name: "mix", path: func(i int) string {
			if i%10 == 9 {
				return "/change"
			}
			return "/read"
		}, cookie: true, clients: []int{64}},
		{name: "hot", path: always("/change"), cookie: true, clients: []int{16, 64}, hot: true},
		{name: "crowd", path: always("/change"), cookie: true, clients: []int{16, 64}, hot: true, processes: crowdProcesses, warm: true},
		{name: "login", path: func(i int) string { return []string{"/login", "/logout"}[i%2] }, clients: []int{16}},
		{name: "defaults", path: always("/read"), cookie: true, clients: []int{64}, warm: true},
	}
}

// outcome is what the clients saw in one run.
type outcome struct {
	requests, refused, lost int
	cookies                 int // that the answers brought
	seconds                 float64
	latencies               []time.Duration // sorted
}

// load lets clients work for a time.
func load(c *child, w workload, clients int, d time.Duration) (outcome, error) {
	before := 0
	if w.hot {
		n, err := once(c, "/change", c.cookies[0])
		if err != nil {
			return outcome{}, err
		}
		before = n
	}
	parts, errs := make([]outcome, clients), make([]error, clients)
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { parts[i], errs[i] = visit(c, w, i, clients, begin.Add(d)) })
	}
	wg.Wait()
	all := outcome{seconds: time.Since(begin).Seconds()}
	for _, p := range parts {
		all.requests += p.requests
		all.refused += p.refused
		all.cookies += p.cookies
		all.latencies = append(all.latencies, p.latencies...)
	}
	slices.Sort(all.latencies)
	if err := errors.Join(errs...); err != nil || !w.hot {
		return all, err
	}
	after, err := once(c, "/change", c.cookies[0])
	all.lost = all.requests - (after - 1 - before)
	return all, err
}

// visit is one client.
func visit(c *child, w workload, me, clients int, end time.Time) (outcome, error) {
	cl := newClient(c.process(me, w).addr)
	defer cl.close()
	o := outcome{latencies: make([]time.Duration, 0, 1<<14)}
	for i := 0; ; i++ {
		begin := time.Now()
		if i > 0 && i%2 == 0 && begin.After(end) { // each client has its turn, however late it is
			o.cookies = cl.given
			return o, nil
		}
		path, cookie := w.path(i), ""
		switch {
		case path == "/logout":
			cookie = cl.cookie
		case w.hot:
			cookie = c.cookies[0]
		case w.cookie:
			cookie = c.cookies[(i*clients+me)%len(c.cookies)]
		}
		n, err := cl.do(path, cookie)
		if _, ok := errors.AsType[refusedError](err); ok {
			o.refused++ // a machine that stands still lets timeouts pass
			continue
		}
		if err != nil {
			return o, err
		}
		if reads := path == "/read" || path == "/slide"; reads && n != len(userValue) || n < 1 {
			return o, fmt.Errorf("%s: %s answered %d", c.name, path, n)
		}
		o.requests++
		o.latencies = append(o.latencies, time.Since(begin))
	}
}

// once is a single request, which is made again if it is refused.
func once(c *child, path, cookie string) (int, error) {
	cl := newClient(c.addr)
	defer cl.close()
	return cl.insist(path, cookie)
}

// seed makes the sessions that workloads use.
func seed(c *child, sessions int) error {
	const clients = connection // so that a pool opens its connections now
	if !c.session() {
		c.cookies = []string{rawCookie + "=" + strings.Repeat("x", 52)} // to be parsed, as elsewhere
		return nil
	}
	c.cookies = make([]string, sessions)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			cl := newClient(c.addr)
			defer cl.close()
			for j := i; j < sessions && errs[i] == nil; j += clients {
				_, errs[i] = cl.insist("/login", "")
				c.cookies[j] = cl.cookie
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// percentile of what is sorted, in microseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(p*float64(len(sorted)-1))]) / float64(time.Microsecond)
}
