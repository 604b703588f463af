package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// What surrounds a text in a paper that is made here.
const (
	regionBegin = "<!-- make bench writes this: "
	regionEnd   = "<!-- end -->"
)

// targetRemark explains the table of the goals.
const targetRemark = "Ratios are taken within a round against what the second column says, on the same framework; medians of the rounds; " +
	"64 clients unless said. What misses its goal is **bold**."

// papers writes the tables in README.md and docs/performance.md.
func (r *Result) papers(project string) error {
	return errors.Join(
		replaceRegion(filepath.Join(project, "README.md"), "figures", r.figures()),
		replaceRegion(filepath.Join(project, "docs", "performance.md"), "goals", r.made()+"\n\n"+targetRemark+"\n\n"+r.targetTable()),
	)
}

// replaceRegion replaces the text of a region, which must be there.
func replaceRegion(file, region, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin := regionBegin + region + " -->\n"
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, regionEnd)
	if !ok || !closed {
		return fmt.Errorf("%s: no region %s", file, region)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+strings.TrimSpace(text)+"\n\n"+regionEnd+after), 0o644)
}

// made says how the figures came about.
func (r *Result) made() string {
	rounds := 0
	for _, x := range r.Runs {
		rounds = max(rounds, x.Round+1)
	}
	text := fmt.Sprintf("Measured on %s with %s on %d CPUs, loopback, Redis and MariaDB on the same machine, %d interleaved rounds. %s",
		r.When.Format("2006-01-02"), r.Go, r.CPUs, rounds, r.Note)
	return strings.TrimSpace(text)
}

// figures are the table of README.md.
func (r *Result) figures() string {
	var b strings.Builder
	b.WriteString(r.made() + "\n\n| 64 clients, Redis | variant | req/s | CPU | allocations | round trips |\n|---|---|--:|--:|--:|--:|\n")
	for _, w := range []struct{ name, title string }{
		{"untouched", "a cookie, session not needed"}, {"read", "read one key"}, {"slide", "read one key, keep alive"},
		{"change", "read, change, write"},
	} {
		title := w.title
		for _, name := range []string{"nonstick-goredis", "nonstick-redigo", "scs-goredis", "scs-redigo"} {
			c, ok := r.cell(name, w.name, most)
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %+.0f | %s |\n", title, name, ratio(c.rate), ratio(c.cpu),
				math.Round(c.allocs)+0, trips(c.Trips))
			title = ""
		}
	}
	b.WriteString("\nreq/s and CPU (application and Redis): 1 is the same by hand, with one plain command for each step, no conflict detected, " +
		"and no session at all in the first rows. Allocations: over that.")
	if text := r.lostText(); text != "" {
		b.WriteString("\n" + text)
	}
	return b.String()
}

// lostText tells what becomes of requests that change one session at once.
func (r *Result) lostText() string {
	ours, ok1 := r.cell("nonstick-goredis", "hot", 16)
	scs, ok2 := r.cell("scs-goredis", "hot", 16)
	if !ok1 || !ok2 {
		return ""
	}
	lost := func(c cell) float64 { return 100 * share(float64(c.Lost), float64(c.Requests)) }
	return fmt.Sprintf("Of counters that 16 clients raise in one session at once, nonstick-goredis loses %.0f %% and scs-goredis %.0f %%.",
		lost(ours), lost(scs))
}
