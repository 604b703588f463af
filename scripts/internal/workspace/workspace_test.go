package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func TestLoadThisRepository(t *testing.T) {
	t.Parallel()
	ws, err := workspace.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	prefix, err := ws.Prefix()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ws.Modules {
		if m.Path != prefix+"/"+m.Dir {
			t.Errorf("module in %s is %s, want %s/%s", m.Dir, m.Path, prefix, m.Dir)
		}
	}
	for dir, want := range map[string]bool{"core": true, "adapters/gin": true, "integration": false, "scripts": false} {
		if m := ws.Find(prefix + "/" + dir); m == nil || m.Released() != want {
			t.Errorf("module %s: got %+v, want released = %t", dir, m, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, a, b, want, wantErr string }{
		{name: "agree", a: "v0.3.0", b: "v0.3.0", want: "v0.3.0"},
		{name: "differ", a: "v0.3.0", b: "v0.2.0", wantErr: "b/go.mod requires example.org/core v0.2.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ws, err := workspace.Load(write(t, tc.a, tc.b))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ws.Version()
			if got != tc.want || (err == nil) != (tc.wantErr == "") || (err != nil && !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("Version() = %q, %v; want %q, error with %q", got, err, tc.want, tc.wantErr)
			}
		})
	}
}

func TestLoadOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	if ws, err := workspace.Load(t.TempDir()); err == nil {
		t.Errorf("Load = %+v, want an error", ws)
	}
}

// write makes a workspace of core and two modules that require it at the given versions.
func write(t *testing.T, a, b string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.work":     "go 1.26.0\n\nuse (\n\t./a\n\t./b\n\t./core\n)\n",
		"core/go.mod": "module example.org/core\n\ngo 1.26.0\n",
		"a/go.mod":    "module example.org/a\n\ngo 1.26.0\n\nrequire example.org/core " + a + "\n",
		"b/go.mod":    "module example.org/b\n\ngo 1.26.0\n\nrequire example.org/core " + b + "\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
