package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// plan says how much is measured.
type plan struct {
	rounds   int
	each     time.Duration // of a run
	sessions int
	within   time.Duration // no round begins that would end later
	clients  int           // at most; 0: as many as the workload says
	match    func(name string) bool
	after    func(*Result) error // each round, so that an interrupted measurement is not lost
	note     string
	profiles string   // a folder to write profiles to
	kinds    []string // of profiles
	seconds  int      // that a profile takes
	progress io.Writer
}

// bench is a measurement under way.
type bench struct {
	plan
	redis, maria *database
	spare        *database // another Redis, for what is measured in this process
	admin        *redis.Client
	sql          *sql.DB // of MariaDB
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
		began := time.Now()
		for _, w := range workloads() {
			for _, clients := range p.counts(w) {
				if err := b.round(w, clients, round); err != nil {
					return nil, err
				}
			}
		}
		if err := b.inside(round); err != nil {
			return nil, err
		}
		if err := p.after(b.result); err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(p.progress, "round %d of %d is done\n", round+1, p.rounds)
		if p.within > 0 && time.Since(b.result.When)+time.Since(began) > p.within {
			break
		}
	}
	return b.result, nil
}

// inside measures what needs no other process than Redis, unless it is left out by its name.
func (b *bench) inside(round int) error {
	if b.profiles != "" {
		return nil
	}
	if b.match("locks") {
		if err := b.locks(round); err != nil {
			return fmt.Errorf("locks: %w", err)
		}
	}
	if b.match("keys") {
		if err := b.keys(round); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if b.match("sizes") && round == 0 { // it does not change
		if err := b.sizes(); err != nil {
			return fmt.Errorf("sizes: %w", err)
		}
	}
	return nil
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
	if b.spare, err = startRedis(dir); err != nil {
		return err
	}
	for i, v := range variants() {
		if !b.match(v.name) {
			continue
		}
		if v.mysql && b.maria == nil {
			if err := b.startMariaDB(dir); err != nil {
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
		c, err := startVariant(v, e, b.kinds)
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

func (b *bench) startMariaDB(dir string) (err error) {
	if b.maria, err = startMariaDB(dir); err == nil {
		b.sql, err = openMySQL(env{mysql: b.maria.addr}, true)
	}
	return err
}

func (b *bench) stop() {
	for _, c := range b.children {
		_ = c.stop()
	}
	if b.sql != nil {
		_ = b.sql.Close()
	}
	b.maria.stop()
	b.spare.stop()
	b.redis.stop()
}

// run is one cell in one round.
func (b *bench) run(c *child, w workload, clients int) (Run, error) {
	r := Run{Variant: c.name, Workload: w.name, Clients: clients}
	if w.warm {
		if _, err := load(c, w, clients, b.each/2); err != nil {
			return r, err
		}
	}
	before, err := b.counters(c.db)
	if err != nil {
		return r, err
	}
	own, err := c.usage(w.processes)
	if err != nil {
		return r, err
	}
	o, err := b.work(c, w, clients)
	if err != nil {
		return r, err
	}
	ownNow, err := c.usage(w.processes)
	if err != nil {
		return r, err
	}
	now, err := b.counters(c.db)
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
	r.Trips = (now.trips - before.trips - 1) / n // one was to ask for the counters
	r.Cookies, r.Keys, r.Opened = o.cookies, int(now.keys-before.keys), int(now.opened-before.opened)
	r.Commands = make(map[string]float64)
	for name, count := range now.commands {
		if d := (count - before.commands[name]) / n; d > 0.01 && name != "info" {
			r.Commands[name] = d
		}
	}
	return r, nil
}

// work lets clients work on a variant, and writes profiles of it if they are wanted.
func (b *bench) work(c *child, w workload, clients int) (outcome, error) {
	var failed error
	var wg sync.WaitGroup
	if b.profiles != "" {
		wg.Go(func() {
			for _, kind := range b.kinds {
				file := filepath.Join(b.profiles, fmt.Sprintf("%s-%s-%d.%s", c.name, w.name, clients, kind))
				failed = errors.Join(failed, c.profile(kind, b.seconds, file))
			}
		})
	}
	o, err := load(c, w, clients, b.each)
	wg.Wait()
	if b.profiles != "" {
		_, _ = fmt.Fprintf(b.progress, "%s, %s, %d clients: %d requests in %.1f s\n", c.name, w.name, clients, o.requests, o.seconds)
	}
	return o, errors.Join(err, failed)
}
