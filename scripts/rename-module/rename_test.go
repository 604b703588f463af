package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func TestRename(t *testing.T) {
	t.Parallel()
	const prefix = "example.org/team/sessions"
	root := copyRepository(t)
	old, n, err := rename(root, prefix)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if n < len(ws.Modules) {
		t.Errorf("%d files changed, but there are %d go.mod files", n, len(ws.Modules))
	}
	for _, m := range ws.Modules {
		if m.Path != prefix+"/"+m.Dir {
			t.Errorf("module in %s is %s", m.Dir, m.Path)
		}
	}
	if _, err := run(root, "git", "grep", "-lF", old); err == nil {
		t.Errorf("%s still stands in a file", old)
	}
	if unformatted, err := run(root, "gofmt", "-l", "."); err != nil || unformatted != "" {
		t.Errorf("gofmt -l: %q, %v", unformatted, err)
	}
	if _, _, err := rename(root, "example.org/another/name"); err == nil || !strings.Contains(err.Error(), "has changes") {
		t.Errorf("a second rename on a dirty tree: %v, want a refusal", err)
	}
}

func TestRenameRefuses(t *testing.T) {
	t.Parallel()
	ws, err := workspace.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	old, err := ws.Prefix()
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "sessions", "example.org", "https://example.org/x", "example.org/x/", "Example.org/x", "example.org/../x", old, old + "/v2"} {
		if _, _, err := rename(".", prefix); err == nil {
			t.Errorf("rename to %q: no error", prefix)
		}
	}
}

// copyRepository commits the files of this repository, as they are now, to a new one.
func copyRepository(t *testing.T) string {
	t.Helper()
	ws, err := workspace.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(git(t, ws.Root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(ws.Root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, but not yet from the index
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, root, "init", "--quiet")
	git(t, root, "add", ".")
	git(t, root, "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "copy")
	return root
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := run(dir, "git", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
