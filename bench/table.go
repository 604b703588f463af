package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// render writes the tables and plots.
func (r *Result) render(out string) error {
	if err := os.WriteFile(filepath.Join(out, "README.md"), []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	return r.plot(out)
}

// titles are the headings of the tables.
func titles() map[string]string {
	return map[string]string{
		"anonymous": "No cookie, and the handler asks for no session", "untouched": "A cookie, and the handler asks for no session",
		"read": "Read one key", "slide": "Read one key and keep the session alive", "change": "Read, change, write",
		"mix": "Nine reads and one change", "hot": "Changes of one session, all clients at once", "login": "Login and logout, in turn",
	}
}

func (r *Result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Measurements\n\nMade by `make bench` on %s with %s on %d CPUs, loopback, %d sessions of about 1 KiB in five keys. %s\n\n",
		r.When.Format("2006-01-02"), r.Go, r.CPUs, r.Sessions, r.Note)
	b.WriteString("Medians over the rounds, in which the variants take turns. Ratio: requests a second against the variant that does the same by hand " +
		"(for handlers that need no session: against none at all), in the same round. CPU ratio: of application, Redis and MariaDB together. " +
		"Allocations: over that variant. ± is (greatest − least) / median of req/s: what is closer than that is not a difference. " +
		"By hand means one plain command for each step, without detecting conflicts.\n")
	for _, w := range workloads() {
		for _, clients := range r.clientsOf(w.name) {
			r.table(&b, w.name, clients)
		}
	}
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
	b.WriteString("| variant | req/s | ± | ratio | p50 µs | p99 µs | CPU app µs | CPU server µs | CPU ratio | allocs | bytes | Redis in B | out B | commands |")
	if workload == "hot" {
		b.WriteString(" lost | refused |")
	}
	b.WriteString("\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
	if workload == "hot" {
		b.WriteString("--:|--:|")
	}
	b.WriteString("\n")
	var refused strings.Builder
	for _, v := range r.Variants {
		c, ok := r.cell(v.Name, workload, clients)
		if !ok {
			continue
		}
		fmt.Fprintf(b, "| %s | %.0f | %.0f %% | %s | %.0f | %.0f | %.1f | %.1f | %s | %+.0f | %.0f | %.0f | %.0f | %s |", v.Name, c.Rate, 100*c.spread,
			ratio(c.rate), c.P50, c.P99, c.CPU, c.ServerCPU, ratio(c.cpu), math.Round(c.allocs)+0, c.Bytes, c.In, c.Out, commandList(c.Commands))
		if workload == "hot" {
			fmt.Fprintf(b, " %.0f %% | %d |", 100*float64(c.Lost)/float64(max(1, c.Requests)), c.Refused)
		}
		b.WriteString("\n")
		if c.Refused > 0 && workload != "hot" {
			refused.WriteString(fmt.Sprintf("\n%s refused %d of %d requests.\n", v.Name, c.Refused, c.Requests+c.Refused))
		}
	}
	b.WriteString(refused.String())
}

// once is what is measured once for each variant.
func (r *Result) once(b *strings.Builder) {
	b.WriteString("\n## Cold start and memory\n\nFrom the start of the process to its first session; average MEMORY USAGE of a session in Redis.\n\n" +
		"| variant | cold start ms | Redis bytes a session | ratio |\n|---|--:|--:|--:|\n")
	for _, v := range r.Variants {
		floor := r.variant(v.Floor).Memory
		share := 0.0
		if floor > 0 {
			share = float64(v.Memory) / float64(floor)
		}
		fmt.Fprintf(b, "| %s | %.0f | %d | %s |\n", v.Name, v.StartMS, v.Memory, ratio(share))
	}
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
