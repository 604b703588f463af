package main

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

const doc = "// Package m is a package.\npackage m\n\n"

func TestChecks(t *testing.T) {
	t.Parallel()
	example := map[string]string{"example_test.go": "package m_test\n\nfunc Example() {}\n"}
	for _, tc := range []struct {
		name, file, code string
		more             map[string]string
		want             string // in the one problem; "" for none
	}{
		{name: "good", file: "m.go", code: doc + "// Do does.\nfunc Do() {}\n", more: example},
		{name: "nothing exported needs no example", file: "m.go", code: doc + "func do() {}\n"},
		{name: "program", file: "main.go", code: "// Command m runs.\npackage main\n\nfunc main() {}\n"},
		{name: "internal", file: "internal/i/i.go", code: "// Package i is internal.\npackage i\n\n// Do does.\nfunc Do() {}\n"},
		{name: "testdata", file: "testdata/t.go", code: "package t\n\nfunc Do() {}\n"},
		{name: "group comment", file: "m.go", code: doc + "// Ways.\nconst (\n\tA = 1\n\tB = 2\n)\n", more: example},
		{name: "method of hidden type", file: "m.go", code: doc + "type t struct{}\n\nfunc (*t) Do() {}\n"},
		{name: "init registers", file: "m.go", code: doc + "func init() {\n\tconst n = 1\n\tfor range 2 {\n\t\ts.Register(1)\n\t}\n\tRegister(2)\n}\n"},
		{"no example", "m.go", doc + "// Do does.\nfunc Do() {}\n", nil, "core: package m has no Example"},
		{"no package doc", "m.go", "package m\n", nil, "core: package m has no package doc"},
		{"function", "m.go", doc + "func Do() {}\n", example, "core/m.go:4: exported Do has no comment"},
		{"generic method", "m.go", doc + "// T is.\ntype T[K, V any] struct{}\n\nfunc (*T[K, V]) Do() {}\n", example, "exported Do"},
		{"constant", "m.go", doc + "const A = 1\n", example, "exported A"},
		{"type", "m.go", doc + "type T int\n", example, "exported T"},
		{"option", "m.go", doc + "// TOptions are.\ntype TOptions struct{ A, b int }\n", example, "exported TOptions.A"},
		{"init works", "m.go", doc + "func init() { go Register() }\n", nil, "core/m.go:4: init may only call Register"},
		{"long file", "m.go", doc + strings.Repeat("\n", 400), nil, "core/m.go: 403 lines, at most 400"},
		{"long function", "m.go", doc + "func f() {" + strings.Repeat("\n", 60) + "}\n", nil, "core/m.go:4: f has 61 lines"},
		{"long test", "m_test.go", "package m\n\nfunc f() {" + strings.Repeat("\n", 200) + "}\n", nil, "f has 201 lines"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"../go.work": "go 1.26.0\n\nuse ./core\n", "go.mod": "module example.org/core\n\ngo 1.26.0\n", tc.file: tc.code}
			maps.Copy(files, tc.more)
			var problems []string
			for _, p := range parseAll(t, files) {
				problems = append(problems, check(p)...)
			}
			if tc.want == "" && len(problems) > 0 {
				t.Errorf("problems %q, want none", problems)
			}
			if tc.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], tc.want)) {
				t.Errorf("problems %q, want one: %q", problems, tc.want)
			}
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	stats(&out, []pkg{{dir: "adapters/x", files: []file{{path: "a.go", ast: new(ast.File), lines: 7}, {path: "a_test.go", lines: 9, test: true}}}})
	for _, want := range []string{"longest 7 (a.go)", "longest 9 (a_test.go)", "adapters/x   7\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("stats lack %q:\n%s", want, &out)
		}
	}
}

// parseAll writes the files of a workspace with the one module core and parses it.
func parseAll(t *testing.T, files map[string]string) []pkg {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, workspace.Core, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := parse(ws)
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
