package sessiontest_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// TestAdapterMutants runs the suite against broken middlewares. Each must fail the cases that are meant for its defect and
// no others. A name may be a pattern, of whose cases at least one must fail.
func TestAdapterMutants(t *testing.T) {
	t.Parallel()
	mutants := adapterMutants()
	results := make([]chan []sessiontest.Failure, len(mutants))
	turns := make(chan struct{}, 4) // a mutant mostly waits for what does not come
	for i, mutant := range mutants {
		results[i] = make(chan []sessiontest.Failure, 1)
		go func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			results[i] <- sessiontest.AdapterFailures(t.Context(), adapterHarness(mutant.defect))
		}()
	}
	for i, mutant := range mutants {
		t.Run(string(mutant.defect), func(t *testing.T) { checkFailures(t, <-results[i], strings.Fields(mutant.fails)) })
	}
}

// TestAdapterAbilities declares what is not there, and does not declare what is.
func TestAdapterAbilities(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *sessiontest.AdapterHarness){
		"one writer too many": func(h *sessiontest.AdapterHarness) { h.Writers = 2 },
		"no writers":          func(h *sessiontest.AdapterHarness) { h.Writers = 0 },
		"no early hints":      func(h *sessiontest.AdapterHarness) { h.EarlyHints = false },
		"no upgrade":          func(h *sessiontest.AdapterHarness) { h.Upgrade = false },
	} {
		harness := adapterHarness("")
		change(&harness)
		failures := sessiontest.AdapterFailures(t.Context(), harness)
		if !slices.ContainsFunc(failures, func(f sessiontest.Failure) bool { return f.Case == "abilities" }) {
			t.Errorf("%s: the suite believed the declaration", name)
		}
	}
}

// checkFailures compares what failed with what should.
func checkFailures(t *testing.T, failures []sessiontest.Failure, patterns []string) {
	matched := make(map[string]bool)
	for _, f := range failures {
		intended := false
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, f.Case); ok {
				matched[pattern], intended = true, true
			}
		}
		if !intended {
			t.Errorf("case %s failed, which is not meant for this defect:\n%s", f.Case, f)
		}
	}
	for _, pattern := range patterns {
		if !matched[pattern] {
			t.Errorf("case %s passed, which is meant for this defect", pattern)
		}
	}
}
