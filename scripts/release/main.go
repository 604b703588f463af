// Command release prepares a release: all modules carry one version, and each released one gets a tag of its own.
//
//	go run ./scripts/release                print the tags and what is still missing, change nothing
//	go run ./scripts/release -set v0.2.0    write the version into every go.mod
//	go run ./scripts/release -tag           make the tags in this clone, if nothing is missing
//
// It pushes nothing. A tag that was pushed is never moved: retract a bad version and release the next.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func main() {
	version := flag.String("set", "", "write this `version` into every go.mod")
	tag := flag.Bool("tag", false, "make the tags")
	flag.Parse()
	if err := run(*version, *tag); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(version string, tag bool) error {
	ws, err := workspace.Load(".")
	if err != nil {
		return err
	}
	if version != "" {
		return set(ws, version)
	}
	p, err := makePlan(ws)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(p.tags, "\n"))
	for _, m := range p.missing {
		fmt.Println("missing:", m)
	}
	switch {
	case !tag:
		return nil
	case len(p.missing) > 0:
		return fmt.Errorf("not ready for %s", p.version)
	}
	return p.tag(ws.Root)
}
