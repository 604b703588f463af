package main_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bench")
	run(t, "go", "build", "-o", program, ".")
	return program
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, data string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What make bench writes is what it would write of the result in docs/bench, so no table can be older, or edited by hand.
func TestPapersAreOfTheirResult(t *testing.T) {
	t.Parallel()
	program, dir := build(t), t.TempDir()
	papers := []string{"README.md", "docs/performance.md", "docs/bench/README.md"}
	for _, p := range papers {
		write(t, read(t, "..", p), dir, p)
	}
	run(t, program, "-render", "../docs/bench/result.json", "-out", filepath.Join(dir, "docs", "bench"), "-papers", dir)
	for _, p := range papers {
		if read(t, dir, p) != read(t, "..", p) {
			t.Errorf("%s is not what docs/bench/result.json says: run bin/nonstick-bench -render docs/bench/result.json "+
				"-out docs/bench -papers .", p)
		}
	}
}

// goals renders a result and returns the rows of the goals: their verdicts by the beginning of their figures.
func goals(t *testing.T, program string, result object) (table string, verdicts [][2]string) {
	t.Helper()
	dir := t.TempDir()
	data, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	write(t, string(data), dir, "result.json")
	run(t, program, "-render", filepath.Join(dir, "result.json"), "-out", dir)
	_, table, _ = strings.Cut(read(t, dir, "README.md"), "## The goals")
	_, table, _ = strings.Cut(table, "\n| figure")
	table, _, _ = strings.Cut("| figure"+table, "\n\n")
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		if len(cells) != 6 || cells[1] == "" {
			t.Fatalf("a row of %d cells: %s", len(cells), row)
		}
		verdicts = append(verdicts, [2]string{cells[0], cells[5]})
	}
	return table, verdicts
}

// fixed is a small result in which all goals are met.
func fixed(t *testing.T) object {
	t.Helper()
	var result object
	if err := json.Unmarshal([]byte(read(t, "testdata", "result.json")), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestGoals(t *testing.T) {
	t.Parallel()
	program := build(t)
	table, verdicts := goals(t, program, fixed(t))
	if want := strings.TrimSpace(read(t, "testdata", "goals.md")); table != want {
		t.Errorf("the table of the goals is\n%s\nwant\n%s", table, want)
	}
	if len(verdicts) != 15 {
		t.Errorf("there are %d goals, want each of the 15 once", len(verdicts))
	}
	// Each goal is missed by its own figures, and by no others.
	for _, c := range misses() {
		result := fixed(t)
		if alter(result, c.list, c.match, c.change) == 0 {
			t.Fatalf("nothing to change for %q", c.goal)
		}
		_, verdicts := goals(t, program, result)
		checkMissed(t, verdicts, c.goal, c.change)
	}
}

type object = map[string]any

// miss makes a goal be missed.
type miss struct {
	goal          string // how its figure begins
	list          string // where to change
	match, change object
}

func misses() []miss {
	return []miss{
		{"read", "Runs", object{"Variant": "nonstick-redigo", "Workload": "read"}, object{"Rate": 37000}},
		{"read and keep alive", "Runs", object{"Variant": "nonstick-goredis", "Workload": "slide"}, object{"In": 101}},
		{"read and keep alive", "Runs", object{"Variant": "nonstick-goredis", "Workload": "slide"}, object{"Refused": 1}},
		{"read, change, write", "Runs", object{"Variant": "nonstick-goredis", "Workload": "change"}, object{"Trips": 2.5}},
		{"the same, Exclusive", "Runs", object{"Variant": "nonstick-redigo-exclusive"}, object{"Rate": 22000}},
		{"allocations", "Runs", object{"Variant": "nonstick-redigo", "Workload": "change"}, object{"Allocs": 49}},
		{"CPU", "Runs", object{"Variant": "nonstick-redigo", "Workload": "change"}, object{"CPU": 37}},
		{"session not needed", "Runs", object{"Variant": "nonstick-goredis", "Workload": "anonymous"}, object{"Keys": 1}},
		{"session not needed", "Runs", object{"Variant": "nonstick-goredis", "Workload": "untouched"}, object{"Cookies": 1}},
		{"session not needed", "Runs", object{"Variant": "nonstick-goredis", "Workload": "untouched"}, object{"Commands": object{"get": 1}}},
		{"all clients on one session", "Runs", object{"Variant": "nonstick-redigo", "Workload": "crowd"}, object{"Lost": 1}},
		{"lock", "Runs", object{"Variant": "nonstick-goredis", "Workload": "lock"}, object{"Fairness": 0.8}},
		{"lock", "Runs", object{"Variant": "nonstick-goredis", "Workload": "lock"}, object{"Trips": 5}},
		{"MySQL", "Runs", object{"Variant": "nonstick-mysql-touch"}, object{"In": 1400}},
		{"files", "Runs", object{"Variant": "nonstick-files", "Workload": "change"}, object{"Rate": 24000}},
		{"each adapter", "Runs", object{"Variant": "nonstick-echo"}, object{"CPU": 25}},
		{"one key", "Keys", object{"Library": "nonstick", "Use": "read"}, object{"Allocs": 6}},
		{"Redis memory", "Memory", object{"How": "zstd"}, object{"Bytes": 30000}},
		{"connections", "Runs", object{"Variant": "nonstick-redigo-defaults"}, object{"Opened": 1}},
	}
}

// alter changes all entries of a list that match.
func alter(result object, list string, match, change object) (changed int) {
	entries, _ := result[list].([]any)
next:
	for _, e := range entries {
		entry, _ := e.(object)
		for k, v := range match {
			if entry[k] != v {
				continue next
			}
		}
		maps.Copy(entry, change)
		changed++
	}
	return changed
}

func checkMissed(t *testing.T, verdicts [][2]string, goal string, change object) {
	t.Helper()
	for _, v := range verdicts {
		figure, _, _ := strings.Cut(v[0], ";")
		want := "met"
		if figure == goal || goal != "read" && strings.HasPrefix(figure, goal) {
			want = "missed"
		}
		if v[1] != want {
			t.Errorf("with %v, %q is %q, want %q", change, v[0], v[1], want)
		}
	}
}

// What was not measured is not met.
func TestGoalsNotMeasured(t *testing.T) {
	t.Parallel()
	result := fixed(t)
	result["Runs"], result["Keys"], result["Memory"] = []any{}, nil, nil
	_, verdicts := goals(t, build(t), result)
	for _, v := range verdicts {
		if v[1] != "not measured" {
			t.Errorf("%s is %s without a run", v[0], v[1])
		}
	}
}

// A paper without its region is left alone, and said.
func TestPaperWithoutRegion(t *testing.T) {
	t.Parallel()
	program, dir := build(t), t.TempDir()
	write(t, "nothing\n", dir, "README.md")
	write(t, "nothing\n", dir, "docs", "performance.md")
	cmd := exec.CommandContext(t.Context(), program, "-render", "testdata/result.json", "-out", dir+"/docs", "-papers", dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("no region")) || read(t, dir, "README.md") != "nothing\n" {
		t.Errorf("%v: %s", err, out)
	}
}
