// Command bench measures Nonstick beside other session libraries and beside the bare client libraries, on the same servers
// and in the same process layout: the clients here, each variant a process of its own, Redis and MariaDB a process each.
//
// The variants take turns in each round, so that what disturbs the machine disturbs all of them; figures are medians over
// the rounds, ratios are taken within a round. It needs Linux.
//
//	make bench        about 10 minutes; writes docs/bench, and the tables of README.md and docs/performance.md
//	make bench-quick  about a minute; writes bin/bench
//	bin/nonstick-bench -render docs/bench/result.json -out docs/bench -papers .
//	bin/nonstick-bench -variants 'goredis$' -profile /tmp/profiles -kinds mutex,block
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	name := flag.String("serve", "", "internal: be this `variant`")
	settings := flag.String("settings", "", "internal: where a variant finds its servers")
	render := flag.String("render", "", "measure nothing: tables and plots from this `file`")
	out := flag.String("out", "bin/bench", "the `folder` for result.json, tables and plots")
	note := flag.String("note", "", "a `remark` on the machine, for the tables")
	match := flag.String("variants", "", "measure only those that match this `expression`")
	p := plan{progress: os.Stderr}
	flag.IntVar(&p.rounds, "rounds", 5, "how often each variant has its turn")
	flag.DurationVar(&p.each, "each", 250*time.Millisecond, "how long a turn is")
	flag.IntVar(&p.sessions, "sessions", 10_000, "sessions of each variant")
	flag.DurationVar(&p.within, "within", 0, "begin no round that would not end within this `time` (default: all rounds)")
	flag.IntVar(&p.clients, "clients", 0, "at most this many clients at once (default: 1, 16 and 64)")
	flag.StringVar(&p.profiles, "profile", "", "measure nothing: write profiles of each workload, of a second or as long as -each, to this `folder`")
	kinds := flag.String("kinds", "", "of profiles: `list` of profile (CPU), allocs, mutex and block (default: profile,allocs)")
	papers := flag.String("papers", "", "the `folder` of the project, whose README.md and docs/performance.md get their tables")
	flag.Parse()
	err := func() error {
		if *name != "" {
			return serve(*name, *settings, *kinds)
		}
		if *render != "" {
			r, err := loadResult(*render)
			if err != nil {
				return err
			}
			return r.render(*out, *papers)
		}
		pattern, err := regexp.Compile(*match)
		if err != nil {
			return err
		}
		if p.profiles != "" {
			p.kinds = strings.Split(cmp.Or(*kinds, "profile,allocs"), ",")
			p.rounds, p.seconds = 1, max(1, int(p.each.Seconds()))
			p.each = time.Duration(len(p.kinds)*p.seconds)*time.Second + 500*time.Millisecond
		}
		p.match, p.note = pattern.MatchString, *note
		return p.run(*out, *papers)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and writes all files.
func (p plan) run(out, papers string) error {
	for _, dir := range []string{out, cmp.Or(p.profiles, out)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	p.after = func(r *Result) error {
		if p.profiles != "" {
			return nil
		}
		return errors.Join(r.save(filepath.Join(out, "result.json")), r.render(out, papers))
	}
	_, err := measure(p)
	return err
}
