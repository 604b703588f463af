package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func TestRelease(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "go.work", "go 1.26.0\n\nuse (\n\t./core\n\t./adapters/x\n\t./integration\n)\n")
	write(t, root, "core/go.mod", "module example.org/core\n\ngo 1.26.0\n")
	for _, dir := range []string{"adapters/x", "integration"} {
		write(t, root, dir+"/go.mod", "module example.org/"+dir+"\n\ngo 1.26.0\n\nrequire example.org/core v0.1.0\n")
	}
	write(t, root, "CHANGELOG.md", "## [Unreleased]\n")
	mustGit(t, root, "init", "--quiet")
	mustGit(t, root, "config", "user.name", "test")
	mustGit(t, root, "config", "user.email", "test@example.org")

	check(t, root, []string{"adapters/x/v0.1.0", "core/v0.1.0"}, "a commit of all changes", "a section ## [0.1.0] in CHANGELOG.md")

	write(t, root, "CHANGELOG.md", "## [Unreleased]\n\n## [0.2.0] - 2026-01-02\n")
	if err := set(load(t, root), "v0.2.0"); err != nil {
		t.Fatal(err)
	}
	mustGit(t, root, "add", ".")
	mustGit(t, root, "commit", "--quiet", "--message", "release v0.2.0")
	p := check(t, root, []string{"adapters/x/v0.2.0", "core/v0.2.0"})
	if err := p.tag(root); err != nil {
		t.Fatal(err)
	}
	check(t, root, p.tags, "a version of its own: the tag adapters/x/v0.2.0 exists", "a version of its own: the tag core/v0.2.0 exists")

	if err := set(load(t, root), "0.3"); err == nil {
		t.Error("set 0.3: no error")
	}
	write(t, root, "integration/go.mod", "module example.org/integration\n\ngo 1.26.0\n\nrequire example.org/core v0.1.0\n")
	if p, err := makePlan(load(t, root)); err == nil {
		t.Errorf("two versions: plan %+v, want an error", p)
	}
}

// check compares the plan with the wanted one.
func check(t *testing.T, root string, tags []string, missing ...string) plan {
	t.Helper()
	p, err := makePlan(load(t, root))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.tags, tags) {
		t.Errorf("tags %q, want %q", p.tags, tags)
	}
	if !slices.Equal(p.missing, missing) {
		t.Errorf("missing %q, want %q", p.missing, missing)
	}
	return p
}

func load(t *testing.T, root string) *workspace.Workspace {
	t.Helper()
	ws, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustGit(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := git(dir, args...); err != nil {
		t.Fatal(err)
	}
}
