package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// length is how many lines something has.
type length struct {
	what  string
	lines int
}

// stats prints how long the source files and functions are, tests apart, and the lines of each adapter.
func stats(to io.Writer, packages []pkg) {
	var files, functions, testFiles []length
	adapters := make(map[string]int)
	for _, p := range packages {
		for _, f := range p.files {
			if f.test {
				testFiles = append(testFiles, length{f.path, f.lines})
				continue
			}
			files = append(files, length{f.path, f.lines})
			for _, fn := range funcs(f) {
				functions = append(functions, length{fmt.Sprintf("%s:%d %s", f.path, fn.line, fn.name), fn.lines})
			}
			if strings.HasPrefix(p.dir, "adapters/") {
				adapters[p.dir] += f.lines
			}
		}
	}
	fmt.Fprintf(to, "%d packages; lines:\n", len(packages))
	summary(to, "files", files)
	summary(to, "test files", testFiles)
	summary(to, "functions", functions)
	for _, p := range packages {
		if lines, ok := adapters[p.dir]; ok {
			fmt.Fprintf(to, "%-12s %d\n", p.dir, lines)
		}
	}
}

func summary(to io.Writer, what string, all []length) {
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b length) int { return cmp.Compare(a.lines, b.lines) })
	total := 0
	for _, l := range all {
		total += l.lines
	}
	n, longest := len(all), all[len(all)-1]
	fmt.Fprintf(to, "%-12s %5d, median %d, 90%% within %d, longest %d (%s), together %d\n",
		what, n, all[n/2].lines, all[n*9/10].lines, longest.lines, longest.what, total)
}
