// Command gotest runs every test of every module of the workspace and prints what go test prints, but with the output of
// failed tests only and a last line that counts. A skipped test has tested nothing, so it fails the run, and so does a
// run without any test.
//
//	go run ./scripts/gotest [-alone] [flags of go test]
//
// The modules bench and integration come last, one package at a time and never from the cache: their servers and browsers
// need the machine for themselves, and their state is no input that the cache knows.
//
// With -alone each module is tested as its users get it, with GOWORK=off: the workspace hides requirements that a go.mod
// lacks, and lets all modules share the highest version that one of them asks for. Those two have no users and
// are left out: go vet shows that they build alone, and their tests, which take most of the time, need not run twice.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func main() {
	ws, err := workspace.Load(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(2)
	}
	flags, todo := os.Args[1:], together
	if len(flags) > 0 && flags[0] == "-alone" {
		flags, todo = flags[1:], alone
	}
	var rep report
	ok := true
	for _, r := range todo(ws, flags) {
		if err := r.goTest(&rep); err != nil {
			fmt.Fprintln(os.Stderr, "gotest:", err)
			ok = false
		}
	}
	if !rep.close(os.Stdout) || !ok {
		os.Exit(1)
	}
}

// run is one call of go test.
type run struct {
	dir, gowork string
	args        []string
}

// together tests all modules but integration and bench in one call, then those.
func together(ws *workspace.Workspace, flags []string) []run {
	gowork := filepath.Join(ws.Root, "go.work")
	first := run{ws.Root, gowork, slices.Clone(flags)}
	var last []run
	for _, m := range ws.Modules {
		if args := serial(m); args != nil {
			last = append(last, run{ws.Root, gowork, append(append(args, flags...), m.Path+"/...")})
		} else {
			first.args = append(first.args, m.Path+"/...")
		}
	}
	return append([]run{first}, last...)
}

// alone tests each module that has users in a call of its own.
func alone(ws *workspace.Workspace, flags []string) []run {
	var runs []run
	for _, m := range ws.Modules {
		if serial(m) == nil {
			runs = append(runs, run{filepath.Join(ws.Root, m.Dir), "off", append(slices.Clone(flags), "./...")})
		}
	}
	return runs
}

// serial returns the flags for the module whose tests need the machine for themselves, nil for others.
func serial(m workspace.Module) []string {
	if m.Dir != "integration" && m.Dir != "bench" {
		return nil
	}
	return []string{"-p=1", "-count=1"}
}

// goTest runs go test and feeds the report with its events.
func (r run) goTest(rep *report) error {
	fmt.Printf("in %s: go test %s\n", filepath.Base(r.dir), strings.Join(r.args, " "))
	// The tests of one package on real servers take minutes, and on a busy machine more than the 10 of go test.
	cmd := exec.Command("go", append([]string{"test", "-json", "-timeout=30m"}, r.args...)...)
	cmd.Dir, cmd.Stderr = r.dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOWORK="+r.gowork)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := rep.read(pipe, os.Stdout)
	_, _ = io.Copy(io.Discard, pipe) // so that go test can end
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return readErr
}
