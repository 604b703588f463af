package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// modulePath is the form of a prefix: a host name, then at least one element.
var modulePath = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9][A-Za-z0-9._~-]*)+$`)

// rename replaces the prefix of all modules of the workspace around dir. It returns the old prefix and in how many files
// it stood.
func rename(dir, prefix string) (old string, n int, err error) {
	ws, err := workspace.Load(dir)
	if err != nil {
		return "", 0, err
	}
	if old, err = ws.Prefix(); err != nil {
		return "", 0, err
	}
	switch {
	case !modulePath.MatchString(prefix):
		return "", 0, fmt.Errorf("%q is no module path: want a host and a path, such as example.org/team/sessions", prefix)
	case strings.HasPrefix(prefix+"/", old+"/"):
		return "", 0, fmt.Errorf("%s lies within the present prefix %s, so nobody could tell old from new", prefix, old)
	}
	status, err := run(ws.Root, "git", "status", "--porcelain")
	if err != nil {
		return "", 0, err
	}
	if status != "" {
		return "", 0, errors.New("the work tree has changes: commit them or put them away first\n" + status)
	}
	if n, err = replaceAll(ws.Root, old, prefix); err != nil {
		return "", 0, err
	}
	return old, n, verify(ws, old)
}

// replaceAll edits all files that git knows.
func replaceAll(root, old, prefix string) (n int, err error) {
	list, err := run(root, "git", "ls-files", "-z")
	if err != nil {
		return 0, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		changed, err := replace(filepath.Join(root, name), old, prefix)
		if err != nil {
			return n, err
		}
		if changed {
			n++
		}
	}
	return n, nil
}

// replace edits one file. Go files are formatted, because the order of imports depends on their names.
func replace(name, old, prefix string) (changed bool, err error) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	text, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		return false, err
	}
	text = bytes.ReplaceAll(text, []byte(old), []byte(prefix))
	if filepath.Ext(name) == ".go" {
		if text, err = format.Source(text); err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
	return true, os.WriteFile(name, text, info.Mode().Perm())
}

// verify puts the requirements in order, builds everything, and looks for the old prefix once more.
func verify(ws *workspace.Workspace, old string) error {
	for _, m := range ws.Modules {
		if _, err := run(filepath.Join(ws.Root, m.Dir), "go", "mod", "tidy"); err != nil {
			return err
		}
	}
	for _, verb := range []string{"build", "vet"} { // vet also compiles the tests
		if _, err := run(ws.Root, "go", verb, "work"); err != nil {
			return err
		}
	}
	left, err := run(ws.Root, "git", "grep", "-lF", old)
	if err == nil {
		return fmt.Errorf("still named %s:\n%s", old, left)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 { // nothing found
		return nil
	}
	return err
}

// run returns what a command printed. The go command works in the workspace, but tidies a module on its own.
func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=")
	if len(args) > 1 && args[1] == "tidy" {
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}
