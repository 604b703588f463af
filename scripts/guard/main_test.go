package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

const (
	work    = "go 1.26.0\n\nuse (\n\t./core\n\t./other\n\t./integration\n)\n"
	core    = "module example.org/m/core\n\ngo 1.26.0\n"
	other   = "module example.org/m/other\n\ngo 1.26.0\n\nrequire example.org/m/core v0.1.0\n\nreplace example.org/m/core => ../core\n"
	servers = "module example.org/m/integration\n\ngo 1.26.0\n\nrequire github.com/testcontainers/testcontainers-go v0.44.0\n"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, text, want string }{
		{name: "good"},
		{"suite is for tests", "core/sessiontest/run.go", "package sessiontest\n\nimport _ \"testing\"\n", ""},
		{"tests may use the suite", "other/m_test.go", "package other_test\n\nimport _ \"example.org/m/core/sessiontest\"\n", ""},
		{"testing", "other/m.go", "package other\n\nimport _ \"testing\"\n", "example.org/m/other imports testing"},
		{"suite", "other/m.go", "package other\n\nimport _ \"example.org/m/core/sessiontest\"\n", "imports example.org/m/core/sessiontest"},
		{"go", "core/go.mod", strings.Replace(core, "1.26.0", "1.26.3", 1), "core/go.mod: go 1.26.3"},
		{"toolchain", "core/go.mod", core + "\ntoolchain go1.26.8\n", "core/go.mod: toolchain"},
		{"folder", "other/go.mod", strings.Replace(other, "m/other", "m/others", 1), "not named after its folder"},
		{"no replace", "other/go.mod", strings.Replace(other, "replace", "//", 1), "without replacing it"},
		{"wrong replace", "other/go.mod", strings.Replace(other, "../core", "../integration", 1), "without replacing it"},
		{"extra replace", "other/go.mod", other + "\nreplace example.org/x => ../core\n", "replaces example.org/x"},
		{"server", "other/go.mod", other + "\nrequire github.com/testcontainers/testcontainers-go v0.44.0\n", "is for tests"},
		{"unreleased", "other/go.mod", other + "\nrequire example.org/m/integration v0.1.0\n\nreplace example.org/m/integration => ../integration\n", "is not released"},
		{"version", "integration/go.mod", servers + "\nrequire example.org/m/core v0.2.0\n\nreplace example.org/m/core => ../core\n", "v0.2.0"},
		{"core requires", "core/go.mod", core + "\nrequire example.org/m/other v0.1.0\n\nreplace example.org/m/other => ../other\n", "may not: example.org/m/other"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, text := range map[string]string{
				"go.work": work, "core/go.mod": core, "other/go.mod": other, "integration/go.mod": servers,
				"core/sessiontest/run.go": "package sessiontest\n", "other/m.go": "package other\n",
			} {
				write(t, filepath.Join(root, name), text)
			}
			if tc.file != "" {
				write(t, filepath.Join(root, tc.file), tc.text)
			}
			ws, err := workspace.Load(root)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(append(checkFiles(ws), checkGraph(ws)...), "\n")
			if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
				t.Errorf("problems %q, want %q", got, tc.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
