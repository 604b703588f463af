package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json (go doc test2json) or of the build before it (go help buildjson).
type event struct {
	Action  string
	Package string
	Test    string // "" if the event is the package's
	Output  string
}

// report counts the tests of all runs. What a test wrote is held back until its package ends and dropped if it passed.
type report struct {
	passed, failed int
	skipped        []string
	packages       map[string]*pack // that have not ended
}

// pack is a package whose tests run.
type pack struct {
	lines  []line
	failed bool // one of its tests failed
}

type line struct{ test, text string }

// read takes the events of one run of go test from one reader and writes what a person wants to see of it.
func (r *report) read(from io.Reader, to io.Writer) error {
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(text) == 0:
		case json.Unmarshal(text, &e) != nil: // not from a test: show it as it is
			fmt.Fprintf(to, "%s", text)
		case e.Action == "build-output":
			fmt.Fprint(to, e.Output)
		case e.Package != "":
			r.add(e, to)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

func (r *report) add(e event, to io.Writer) {
	p := r.packages[e.Package]
	if p == nil {
		p = new(pack)
		if r.packages == nil {
			r.packages = make(map[string]*pack)
		}
		r.packages[e.Package] = p
	}
	switch {
	case e.Action == "output":
		if !strings.HasPrefix(e.Output, "=== ") && e.Output != "PASS\n" { // progress, which only -v would show
			p.lines = append(p.lines, line{e.Test, e.Output})
		}
	case e.Action != "pass" && e.Action != "fail" && e.Action != "skip":
	case e.Test == "":
		r.endPackage(e, p, to)
	default:
		r.endTest(e, p)
	}
}

func (r *report) endTest(e event, p *pack) {
	switch e.Action {
	case "fail":
		r.failed++
		p.failed = true
		return // its lines stay
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, e.Package+"."+e.Test+": "+reason(p, e.Test))
	}
	p.lines = slices.DeleteFunc(p.lines, func(l line) bool { return l.test == e.Test })
}

// endPackage prints the lines that are left: the package's own, those of failed tests and those of tests that never
// ended because of a panic or the time limit.
func (r *report) endPackage(e event, p *pack, to io.Writer) {
	delete(r.packages, e.Package)
	for _, l := range p.lines {
		if !strings.HasSuffix(l.text, "[no test files]\n") {
			fmt.Fprint(to, l.text)
		}
	}
	if e.Action == "fail" && !p.failed { // it was not built, or ended without a verdict on a test
		r.failed++
	}
}

// reason is what the test gave as the reason of its skip.
func reason(p *pack, test string) string {
	var texts []string
	for _, l := range p.lines {
		if l.test == test && !strings.HasPrefix(strings.TrimSpace(l.text), "--- SKIP") {
			texts = append(texts, strings.TrimSpace(l.text))
		}
	}
	return strings.Join(texts, " ")
}

// close prints the result, the count on a line of its own last, and reports whether the runs are good.
func (r *report) close(to io.Writer) bool {
	for _, s := range r.skipped {
		fmt.Fprintln(to, "SKIPPED", s)
	}
	if len(r.skipped) > 0 {
		fmt.Fprintln(to, "A skipped test has tested nothing: give it what it asks for.")
	}
	if r.passed == 0 {
		fmt.Fprintln(to, "No test passed.")
	}
	fmt.Fprintf(to, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return r.passed > 0 && r.failed == 0 && len(r.skipped) == 0
}
