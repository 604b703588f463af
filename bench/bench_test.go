package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run too short to measure anything shows that all variants answer what they should, and that the output is complete.
func TestAllVariants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run(t, build(t), "-rounds", "1", "-each", "5ms", "-sessions", "20", "-clients", "4", "-out", dir)
	var result struct {
		Variants []struct{ Name, Bare, Floor string }
		Runs     []struct {
			Variant, Workload       string
			Requests, Lost, Refused int
			Commands                map[string]float64
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	ran := make(map[string]bool)
	for _, r := range result.Runs {
		ran[r.Workload], ran[r.Variant] = true, true
		nonstick := strings.HasPrefix(r.Variant, "nonstick")
		if r.Requests == 0 || r.Refused > 0 || nonstick && r.Lost > 0 {
			t.Errorf("%s, %s: %d answers, %d refused, %d lost", r.Variant, r.Workload, r.Requests, r.Refused, r.Lost)
		}
		if idle := r.Workload == "anonymous" || r.Workload == "untouched"; idle && nonstick && len(r.Commands) > 0 &&
			r.Variant != "nonstick-fallback" { // which looks after its stores at any time
			t.Errorf("%s, %s: ran %v", r.Variant, r.Workload, r.Commands)
		}
	}
	if len(result.Variants) < 30 {
		t.Errorf("there are %d variants", len(result.Variants))
	}
	for _, v := range result.Variants {
		if !ran[v.Name] || v.Bare != v.Name && (!ran[v.Bare] || v.Floor != "" && !ran[v.Floor]) {
			t.Errorf("%s, or what it is compared with, was not measured", v.Name)
		}
	}
	checkFiles(t, dir)
}

func checkFiles(t *testing.T, dir string) {
	t.Helper()
	for _, w := range []string{"anonymous", "untouched", "read", "slide", "change", "mix", "hot", "crowd", "login", "defaults"} {
		if s, err := os.ReadFile(filepath.Join(dir, w+".svg")); err != nil || !strings.Contains(string(s), "</svg>") {
			t.Errorf("no picture of %s: %v", w, err)
		}
	}
	table, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || strings.Count(string(table), "| nonstick-goredis |") < 9 || strings.Contains(string(table), "NaN") {
		t.Errorf("the tables are not complete: %v\n%s", err, table)
	}
}
