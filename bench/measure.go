package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// plan says how much is measured.
type plan struct {
	rounds   int
	each     time.Duration // of a run
	sessions int
	clients  int // at most; 0: as many as the workload says
	match    func(name string) bool
	after    func(*Result) error // each round, so that an interrupted measurement is not lost
	note     string
	profiles string // a folder to write profiles to
	progress io.Writer
}

// bench is a measurement under way.
type bench struct {
	plan
	redis, maria *database
	admin        *redis.Client
	children     []*child
	result       *Result
}

// measure starts all that is needed, runs the rounds, and ends it again.
func measure(p plan) (_ *Result, err error) {
	dir, err := os.MkdirTemp("", "nonstick-bench")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{plan: p, result: newResult(p.sessions, p.note)}
	defer b.stop()
	if err := b.start(dir); err != nil {
		return nil, err
	}
	for round := range p.rounds {
		for _, w := range workloads() {
			for _, clients := range p.counts(w) {
				if err := b.round(w, clients, round); err != nil {
					return nil, err
				}
			}
		}
		if err := p.after(b.result); err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(p.progress, "round %d of %d is done\n", round+1, p.rounds)
	}
	return b.result, nil
}

// counts are the numbers of clients that a workload is run with.
func (p plan) counts(w workload) []int {
	counts := slices.Clone(w.clients)
	for i := range counts {
		if p.clients > 0 {
			counts[i] = min(counts[i], p.clients)
		}
	}
	return slices.Compact(counts)
}

// round lets each variant have its turn.
func (b *bench) round(w workload, clients, round int) error {
	for _, c := range b.children {
		if !c.serves(w.name) {
			continue
		}
		run, err := b.run(c, w, clients)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, w.name, err)
		}
		run.Round = round
		b.result.Runs = append(b.result.Runs, run)
	}
	return nil
}

func (b *bench) start(dir string) (err error) {
	if b.redis, err = startRedis(dir); err != nil {
		return err
	}
	b.admin = redis.NewClient(&redis.Options{Addr: b.redis.addr, DisableIdentity: true})
	for i, v := range variants() {
		if !b.match(v.name) {
			continue
		}
		if v.mysql && b.maria == nil {
			if b.maria, err = startMariaDB(dir); err != nil {
				return err
			}
		}
		e := env{redis: b.redis.addr, db: i, dir: filepath.Join(dir, v.name)}
		if b.maria != nil {
			e.mysql = b.maria.addr
		}
		if err := os.Mkdir(e.dir, 0o700); err != nil {
			return err
		}
		c, err := startChild(v, e, b.profiles != "")
		if err != nil {
			return err
		}
		b.children = append(b.children, c)
		if err := seed(c, b.sessions); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if c.memory, err = b.memory(c); err != nil {
			return err
		}
		b.result.Variants = append(b.result.Variants, Variant{
			Name: v.name, Framework: v.framework, Bare: v.bare(), Floor: v.floor,
			StartMS: float64(c.start) / float64(time.Millisecond), Memory: c.memory,
		})
	}
	_, _ = fmt.Fprintf(b.progress, "%d variants run\n", len(b.children))
	return nil
}

func (b *bench) stop() {
	for _, c := range b.children {
		_ = c.stop()
	}
	b.maria.stop()
	b.redis.stop()
}

// memory is what Redis needs for a session, on average over some of them.
func (b *bench) memory(c *child) (int64, error) {
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: b.redis.addr, DB: c.db, DisableIdentity: true})
	defer func() { _ = db.Close() }()
	keys, _, err := db.Scan(ctx, 0, "", 200).Result()
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	var sum int64
	for _, k := range keys {
		n, err := db.MemoryUsage(ctx, k).Result()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum / int64(len(keys)), nil
}

// counters are what the servers have done so far.
type counters struct {
	cpu      time.Duration
	commands map[string]float64
	in, out  float64
}

func (b *bench) counters() (counters, error) {
	c := counters{commands: make(map[string]float64)}
	text, err := b.admin.Info(context.Background(), "stats", "cpu", "commandstats").Result()
	if err != nil {
		return c, err
	}
	for line := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(line, ":")
		if command, ok := strings.CutPrefix(name, "cmdstat_"); ok {
			calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
			c.commands[command], _ = strconv.ParseFloat(calls, 64)
		}
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "used_cpu_user", "used_cpu_sys":
			c.cpu += time.Duration(n * float64(time.Second))
		case "total_net_input_bytes":
			c.in = n
		case "total_net_output_bytes":
			c.out = n
		}
	}
	if b.maria != nil {
		cpu, err := processCPU(b.maria.cmd.Process.Pid)
		c.cpu += cpu
		return c, err
	}
	return c, nil
}

// processCPU is what the living threads of a process have used: in nanoseconds, where getrusage(2) of others counts ticks.
func processCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		ns, _, _ := strings.Cut(string(data), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum, err
}

// run is one cell in one round.
func (b *bench) run(c *child, w workload, clients int) (Run, error) {
	r := Run{Variant: c.name, Workload: w.name, Clients: clients}
	before, err := b.counters()
	if err != nil {
		return r, err
	}
	own, err := c.usage()
	if err != nil {
		return r, err
	}
	var profiled error
	var wg sync.WaitGroup
	if b.profiles != "" {
		wg.Go(func() {
			for _, kind := range []string{"profile", "allocs"} {
				file := filepath.Join(b.profiles, fmt.Sprintf("%s-%s-%d.%s", c.name, w.name, clients, kind))
				profiled = errors.Join(profiled, c.profile(kind, 1, file))
			}
		})
	}
	o, err := load(c, w, clients, b.each)
	wg.Wait()
	err = errors.Join(err, profiled)
	if err != nil {
		return r, err
	}
	ownNow, err := c.usage()
	if err != nil {
		return r, err
	}
	now, err := b.counters()
	if err != nil {
		return r, err
	}
	n := float64(max(1, o.requests+o.refused))
	micro := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / n }
	r.Requests, r.Refused, r.Lost = o.requests, o.refused, o.lost
	r.Rate, r.P50, r.P99 = float64(o.requests)/o.seconds, percentile(o.latencies, 0.50), percentile(o.latencies, 0.99)
	r.CPU, r.ServerCPU = micro(ownNow.CPU-own.CPU), micro(now.cpu-before.cpu)
	r.Allocs, r.Bytes = float64(ownNow.Allocs-own.Allocs)/n, float64(ownNow.Bytes-own.Bytes)/n
	r.In, r.Out = (now.in-before.in)/n, (now.out-before.out)/n
	r.Commands = make(map[string]float64)
	for name, count := range now.commands {
		if d := (count - before.commands[name]) / n; d > 0.01 && name != "info" {
			r.Commands[name] = d
		}
	}
	return r, nil
}
