package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// target is a line of the goals: a figure, what it is measured against, what to reach, and what was measured.
type target struct {
	figure, against, reach string
	groups                 [][]part
	peer                   string // the best of the others
}

// part is one measured value of a target.
type part struct {
	text  string
	there bool // it was measured
	ok    bool
}

// verdict says whether a target is met: all its values are there, and good.
func (t target) verdict() string {
	missing := false
	for _, p := range slices.Concat(t.groups...) {
		if p.there && !p.ok {
			return "missed"
		}
		missing = missing || !p.there
	}
	if missing {
		return "not measured"
	}
	return "met"
}

func (t target) measured() string {
	var groups []string
	for _, g := range t.groups {
		texts := make([]string, len(g))
		for i, p := range g {
			switch texts[i] = p.text; {
			case !p.there:
				texts[i] = "– " + p.text
			case !p.ok:
				texts[i] = "**" + p.text + "**"
			}
		}
		text := strings.Join(texts, ", ")
		if !slices.ContainsFunc(g, func(p part) bool { return p.there }) {
			text = "–"
		}
		groups = append(groups, text)
	}
	return strings.Join(groups, "; ")
}

// targetTable has a row for each target.
func (r *Result) targetTable() string {
	var b strings.Builder
	b.WriteString("| figure | against | to reach | measured | best peer | |\n|---|---|--:|--:|--:|---|\n")
	for _, t := range r.targets() {
		peer := t.peer
		if peer == "" {
			peer = "–"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", t.figure, t.against, t.reach, t.measured(), peer, t.verdict())
	}
	return b.String()
}

// pair joins what belongs to two parts of a target.
func pair(a, b string) string {
	if a == "" && b == "" {
		return ""
	}
	return a + " / " + b
}

// atLeast and atMost compare what is shown, so that a figure that looks like the goal is the goal.
func atLeast(value, goal float64, format, name string) part {
	return part{text: strings.TrimSpace(fmt.Sprintf(format, value) + " " + name), there: true, ok: shown(value, format) >= goal}
}

func atMost(value, goal float64, format, name string) part {
	return part{text: strings.TrimSpace(fmt.Sprintf(format, value) + " " + name), there: true, ok: shown(value, format) <= goal}
}

func shown(value float64, format string) float64 {
	var x float64
	if _, err := fmt.Sscan(fmt.Sprintf(strings.ReplaceAll(format, "%+", "%"), value), &x); err != nil {
		return math.NaN() // which reaches nothing
	}
	return x
}

// cells returns a part for each of Nonstick's variants under a workload.
func (r *Result) cells(workload string, clients int, f func(c cell, name string) part, names ...string) []part {
	var parts []part
	for _, n := range names {
		short := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(n, "nonstick-"), "-exclusive"), "-defaults")
		c, ok := r.cell(n, workload, clients)
		if !ok {
			parts = append(parts, part{text: short})
			continue
		}
		parts = append(parts, f(c, short))
	}
	return parts
}

// ratesFrom are requests a second against the same by hand.
func (r *Result) ratesFrom(goal float64, workload string, clients int, names ...string) []part {
	return r.cells(workload, clients, func(c cell, name string) part {
		p := atLeast(c.rate, goal, "%.2f", name)
		if c.Refused > 0 {
			p.ok, p.text = false, fmt.Sprintf("%s, %d refused", p.text, c.Refused)
		}
		return p
	}, names...)
}

func (r *Result) cpusTo(goal float64, workload string, clients int, names ...string) []part {
	return r.cells(workload, clients, func(c cell, name string) part {
		return atMost(c.cpu, goal, "%.2f", name)
	}, names...)
}

func (r *Result) allocsTo(goal float64, workload string, clients int, names ...string) []part {
	return r.cells(workload, clients, func(c cell, name string) part {
		return atMost(math.Round(c.allocs)+0, goal, "%+.0f", name)
	}, names...)
}

// tripsOf wants so many round trips to Redis.
func (r *Result) tripsOf(goal float64, workload string, clients int, names ...string) []part {
	return r.cells(workload, clients, func(c cell, name string) part {
		if c.Trips == 0 {
			return part{text: "trips " + name}
		}
		return atMost(c.Trips, goal, "%.1f", "trips "+name)
	}, names...)
}

// best is the highest, or lowest, value among the peers whose names match, with its name.
func (r *Result) best(workload string, clients int, lowest bool, format string, f func(cell) float64, prefixes ...string) string {
	name, value := "", math.Inf(-1)
	if lowest {
		value = math.Inf(1)
	}
	for _, v := range r.Variants {
		c, ok := r.cell(v.Name, workload, clients)
		if !ok || !isPeer(v.Name, prefixes) || c.ratioOf == v.Name {
			continue
		}
		if x := f(c); x < value == lowest && x != value {
			name, value = v.Name, x
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf(format, value) + " " + name
}

// isPeer reports whether a variant is another library's, on Redis unless prefixes name others.
func isPeer(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	if len(prefixes) > 0 {
		return false
	}
	for _, p := range []string{"nonstick-", "raw-", "bare-"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, s := range []string{"-memory", "-mysql", "-files"} {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	return true
}

func (r *Result) bestRate(workload string, clients int, prefixes ...string) string {
	return r.best(workload, clients, false, "%.2f", func(c cell) float64 { return c.rate }, prefixes...)
}
