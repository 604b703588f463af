package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// render writes the tables and plots, and the tables in the papers of a project if it is given.
func (r *Result) render(out, project string) error {
	err := os.WriteFile(filepath.Join(out, "README.md"), []byte(r.markdown()), 0o644)
	if project != "" {
		err = errors.Join(err, r.papers(project))
	}
	return errors.Join(err, r.plot(out))
}

// titles are the headings of the tables.
func titles() map[string]string {
	return map[string]string{
		"anonymous": "No cookie, and the handler asks for no session", "untouched": "A cookie, and the handler asks for no session",
		"read": "Read one key", "slide": "Read one key and keep the session alive", "change": "Read, change, write",
		"mix": "Nine reads and one change", "hot": "Changes of one session, all clients at once", "login": "Login and logout, in turn",
		"crowd": "Changes of one session, all clients at once, four processes", "defaults": "Read one key, with pools as they are by default",
	}
}

func (r *Result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements\n\nMade by `make bench` on %s with %s on %d CPUs, loopback, %d sessions of about 1 KiB in five keys. %s\n\n",
		r.When.Format("2006-01-02"), r.Go, r.CPUs, r.Sessions, r.Note)
	b.WriteString("Medians over the rounds, in which the variants take turns. Ratio: requests a second against the variant that does the same by hand " +
		"(for handlers that need no session: against none at all), in the same round. CPU ratio: of application, Redis and MariaDB together. " +
		"Allocations: over that variant. ± is (greatest − least) / median of req/s: what is closer than that is not a difference. " +
		"By hand means one plain command for each step, without detecting conflicts. Trips: how often something was sent to Redis. " +
		"Refused: answers other than 200, of all rounds.\n")
	b.WriteString("\n## The goals\n\n" + targetRemark + "\n\n" + r.targetTable())
	for _, w := range workloads() {
		for _, clients := range r.clientsOf(w.name) {
			r.table(&b, w.name, clients)
		}
	}
	r.lockTable(&b)
	r.keyTable(&b)
	r.memoryTable(&b)
	r.once(&b)
	return b.String()
}

func (r *Result) clientsOf(workload string) []int {
	seen := make(map[int]bool)
	for _, x := range r.Runs {
		if x.Workload == workload {
			seen[x.Clients] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (r *Result) table(b *strings.Builder, workload string, clients int) {
	fmt.Fprintf(b, "\n## %s: %d clients\n\n", titles()[workload], clients)
	extra, line := "", ""
	switch workload {
	case "hot", "crowd":
		extra, line = " lost |", "--:|"
	case "defaults":
		extra, line = " opened |", "--:|"
	}
	b.WriteString("| variant | req/s | ± | ratio | p50 µs | p99 µs | CPU app µs | CPU server µs | CPU ratio | allocs | bytes | " +
		"server in B | out B | trips | commands | refused |" + extra +
		"\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|" + line + "\n")
	for _, v := range r.Variants {
		c, ok := r.cell(v.Name, workload, clients)
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s | %.0f | %.0f %% | %s | %.0f | %.0f | %.1f | %.1f | %s | %+.0f | %.0f | %.0f | %.0f | %s | %s | %d |",
			v.Name, c.Rate, 100*c.spread, ratio(c.rate), c.P50, c.P99, c.CPU, c.ServerCPU, ratio(c.cpu), math.Round(c.allocs)+0,
			c.Bytes, c.In, c.Out, trips(c.Trips), commandList(c.Commands), c.Refused)
		switch workload {
		case "hot", "crowd":
			fmt.Fprintf(b, " %.0f %% |", 100*share(float64(c.Lost), float64(c.Requests)))
		case "defaults":
			fmt.Fprintf(b, " %d |", c.Opened)
		}
		b.WriteString("\n")
	}
}

// lockTable is about requests that want one lock.
func (r *Result) lockTable(b *strings.Builder) {
	for _, clients := range r.clientsOf("lock") {
		fmt.Fprintf(b, "\n## One lock: %d clients, each a node, hold it for %v, and want it again %v later\n\n", clients, lockHold, lockHold)
		b.WriteString("Fairness: fewest over most turns of a client. Requests: what Redis was sent for each turn, reading and changing the " +
			"session included.\n\n" +
			"| way | turns/s | ± | of the mutex | wait p50 ms | p99 ms | fairness | requests | refused | lost |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		for _, way := range lockWays() {
			if c, ok := r.cell(way.name, "lock", clients); ok {
				fmt.Fprintf(b, "| %s | %.0f | %.0f %% | %.2f | %.0f | %.0f | %.2f | %.1f | %d | %d |\n",
					way.name, c.Rate, 100*c.spread, c.rate, c.P50/1000, c.P99/1000, c.Fairness, c.Trips, c.Refused, c.Lost)
			}
		}
	}
}

// keyTable is about one key of a session.
func (r *Result) keyTable(b *strings.Builder) {
	if len(r.Keys) == 0 {
		return
	}
	b.WriteString("\n## One key\n\nWhat reading or changing one key adds to a request for a session that uses none, without a store. " +
		"Of scs: its codec, decoding, and encoding again.\n\n| | session | µs | allocations | bytes |\n|---|--:|--:|--:|--:|\n")
	for _, library := range []string{"nonstick", "scs"} {
		for _, use := range []string{"read", "change"} {
			for _, size := range keySizes() {
				if k, ok := r.keyCost(library, use, size); ok {
					fmt.Fprintf(b, "| %s, %s | %d KiB | %.2f | %.0f | %.0f |\n", library, use, size>>10, k.Nanos/1000, k.Allocs, k.Bytes)
				}
			}
		}
	}
}

// memoryTable is what Redis needs, by size.
func (r *Result) memoryTable(b *strings.Builder) {
	if len(r.Memory) == 0 {
		return
	}
	b.WriteString("\n## Memory by size\n\nMEMORY USAGE of a session with texts and tokens, by method of compression, " +
		"beside a string with the same values as JSON. In parentheses: how many times smaller than the string.\n\n|")
	for _, size := range memorySizes() {
		fmt.Fprintf(b, " | %d KiB", size>>10)
	}
	b.WriteString(" |\n|---|--:|--:|--:|\n")
	for _, m := range r.Memory {
		if m.Size != memorySizes()[0] {
			continue
		}
		fmt.Fprintf(b, "| %s", m.How)
		for _, size := range memorySizes() {
			n := r.memoryOf(m.How, size)
			fmt.Fprintf(b, " | %.0f (%.2f)", n, r.memoryOf(rawString, size)/n)
		}
		b.WriteString(" |\n")
	}
}

// once is what is measured once for each variant.
func (r *Result) once(b *strings.Builder) {
	b.WriteString("\n## Cold start and memory\n\nFrom the start of the process to its first session; average MEMORY USAGE of a session in Redis.\n\n" +
		"| variant | cold start ms | Redis bytes a session | ratio |\n|---|--:|--:|--:|\n")
	for _, v := range r.Variants {
		of := share(float64(v.Memory), float64(r.variant(v.Floor).Memory))
		fmt.Fprintf(b, "| %s | %.0f | %d | %s |\n", v.Name, v.StartMS, v.Memory, ratio(of))
	}
}

func trips(x float64) string {
	if x <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", x)
}

func ratio(x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", x)
}

// commandList names what Redis ran for a request, those inside scripts included.
func commandList(commands map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(commands), func(a, b string) int { return cmp.Compare(a, b) })
	var all []string
	for _, n := range names {
		text := strings.ToUpper(n)
		if x := commands[n]; math.Abs(x-1) > 0.005 {
			text = fmt.Sprintf("%.2g×%s", x, text)
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, " "), "–")
}
