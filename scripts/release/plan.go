package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// semver is a version without build metadata, which the go command does not take either.
var semver = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// plan is what a release of the present commit would make.
type plan struct {
	version string
	tags    []string
	missing []string // reasons not to release
}

// makePlan fails when the go.mod files do not agree on a version.
func makePlan(ws *workspace.Workspace) (plan, error) {
	version, err := ws.Version()
	if err != nil {
		return plan{}, err
	}
	p := plan{version: version}
	for _, m := range ws.Modules {
		if m.Released() {
			p.tags = append(p.tags, m.Dir+"/"+version)
		}
	}
	status, err := git(ws.Root, "status", "--porcelain")
	if err != nil {
		return plan{}, err
	}
	if status != "" {
		p.missing = append(p.missing, "a commit of all changes")
	}
	log, err := os.ReadFile(filepath.Join(ws.Root, "CHANGELOG.md"))
	if err != nil {
		return plan{}, err
	}
	if heading := "## [" + strings.TrimPrefix(version, "v") + "]"; !strings.Contains(string(log), heading) {
		p.missing = append(p.missing, "a section "+heading+" in CHANGELOG.md")
	}
	for _, tag := range p.tags {
		if found, err := git(ws.Root, "tag", "--list", tag); err != nil {
			return plan{}, err
		} else if found != "" {
			p.missing = append(p.missing, "a version of its own: the tag "+tag+" exists")
		}
	}
	return p, nil
}

// tag makes the tags at the present commit.
func (p plan) tag(root string) error {
	for _, tag := range p.tags {
		if _, err := git(root, "tag", "--annotate", "--message", tag, tag); err != nil {
			return err
		}
	}
	fmt.Printf("%d tags made; push them with: git push origin %s\n", len(p.tags), strings.Join(p.tags, " "))
	return nil
}

// set makes every module require its siblings at the version, and checks what it wrote.
func set(ws *workspace.Workspace, version string) error {
	if !semver.MatchString(version) {
		return fmt.Errorf("%q is no version such as v0.2.0", version)
	}
	for _, m := range ws.Modules {
		for _, r := range ws.Siblings(m) {
			cmd := exec.Command("go", "mod", "edit", "-require="+r.Path+"@"+version, "go.mod")
			cmd.Dir = filepath.Join(ws.Root, m.Dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", m.Dir, err, out)
			}
		}
	}
	ws, err := workspace.Load(ws.Root)
	if err != nil {
		return err
	}
	if got, err := ws.Version(); err != nil || got != version {
		return fmt.Errorf("the go.mod files now say %s instead of %s: %w", got, version, err)
	}
	fmt.Println("every go.mod now says", version)
	return nil
}

func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
