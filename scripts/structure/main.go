// Command structure checks the house rules that linters do not: the length of files and functions, a doc comment on every
// exported name, a package doc and an Example in every package that users import, init functions that only register, and that
// docs/options.md has every option, an effect_test.go a line that looks for its effect, and docs/security.md the names of tests
// that there are.
//
//	go run ./scripts/structure [-stats]
//
// With -stats it prints how long files, functions and adapters are instead.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func main() {
	showStats := flag.Bool("stats", false, "print the lengths of files, functions and adapters and check nothing")
	flag.Parse()
	ws, err := workspace.Load(".")
	if err != nil {
		fatal(err)
	}
	packages, err := parse(ws)
	if err != nil {
		fatal(err)
	}
	if *showStats {
		stats(os.Stdout, packages)
		return
	}
	var problems []string
	for _, p := range packages {
		problems = append(problems, check(p)...)
	}
	problems = append(problems, checkPapers(ws.Root, packages)...)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("structure: %d packages follow the house rules\n", len(packages))
}

// check returns what in a package breaks the rules.
func check(p pkg) []string {
	return slices.Concat(checkLengths(p), checkDocs(p), checkInits(p))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "structure:", err)
	os.Exit(2)
}
