package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// TestPapers looks at the papers of this repository.
func TestPapers(t *testing.T) {
	t.Parallel()
	ws, err := workspace.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := parse(ws)
	if err != nil {
		t.Fatal(err)
	}
	if problems := checkPapers(ws.Root, packages); len(problems) > 0 {
		t.Errorf("docs are not true:\n%s", strings.Join(problems, "\n"))
	}
	if problems := checkPapers(t.TempDir(), packages); len(problems) != 1 {
		t.Errorf("without the papers: problems %q, want one", problems)
	}
}

func TestCheckOptions(t *testing.T) {
	t.Parallel()
	packages := parseAll(t, map[string]string{
		"../go.work": "go 1.26.0\n\nuse ./core\n", "go.mod": "module example.org/core\n\ngo 1.26.0\n",
		"m.go": doc + "type Options struct {\n\tA, b int\n\tIn Inner\n}\n\ntype Inner struct{ C int }\n\nfunc (o *Options) Do() {}\n\ntype Other struct{ D int }\n",
		"filestore/open.go": "package filestore\n\nimport \"example.org/core/storeurl\"\n\n" +
			"func open(p storeurl.Params) { p.Int(\"size\", 1, 2); p.TLS(); slog.Int(\"no\", 3) }\n",
		"storeurl/tls.go":          "package storeurl\n\nfunc (p *Params) TLS() { p.String(\"ca_file\", \"\") }\n",
		"effect_test.go":           "package m_test\n\nvar effects = []string{\"m.Options.A\", \"file://?size\"}\n",
		"filestore/effect_test.go": "package filestore_test\n\nvar effects = []string{\"file://?ca_file\"}\n",
		"m/effect_test.go":         "package m_test\n\nvar effects = []string{\"In.C\"}\n",
	})
	const all = "`m.Options.A` `m.Options.In.C` `file://?size` `file://?ca_file` `m.Options.Do` `m.Other.D(1)` `other.Thing` m.Options.X "
	for name, c := range map[string]struct{ text, want string }{
		"all":               {all, ""},
		"field is missing":  {strings.Replace(all, "`m.Options.A`", "m.Options.A", 1), "`m.Options.A` is missing"},
		"nested field":      {strings.Replace(all, "m.Options.In.C", "m.Options.In", 1), "`m.Options.In.C` is missing"},
		"parameter":         {strings.Replace(all, "`file://?size`", "", 1), "`file://?size` is missing"},
		"shared parameter":  {strings.Replace(all, "`file://?ca_file`", "", 1), "`file://?ca_file` is missing"},
		"no such field":     {all + "`m.Options.B`", "there is no m.Options.B"},
		"field of a struct": {all + "`m.Options.In.B`", "there is no m.Options.In.B"},
		"not exported":      {all + "`m.Options.b` `m.Gone`", "there is no m.Gone"},
		"no such parameter": {all + "`file://?sise`", "stores with file:// have no parameter sise"},
		"no such scheme":    {all + "`mysql://?size`", "stores with mysql:// have no parameter size"},
	} {
		expectOne(t, name, checkOptions(c.text, packages), c.want)
	}
	for i, p := range packages {
		if p.dir == "core/filestore" {
			packages[i].files = slices.DeleteFunc(p.files, func(f file) bool { return f.test })
		}
	}
	expectOne(t, "no effect", checkOptions(all, packages), "file://?ca_file: no test looks for its effect")
}

func TestCheckRules(t *testing.T) {
	t.Parallel()
	packages := parseAll(t, map[string]string{
		"../go.work": "go 1.26.0\n\nuse ./core\n", "go.mod": "module example.org/core\n\ngo 1.26.0\n",
		"m.go":             "// Package m is a package.\npackage m\n",
		"m_test.go":        "package m\n\nfunc TestA(t *testing.T) { t.Run(\"one\", nil) }\n",
		"n/n_test.go":      "package n\n\nfunc TestA(t *testing.T) {}\n\nfunc FuzzB(f *testing.F) {}\n",
		"sessiontest/s.go": "package sessiontest\n\nconst c = \"a/case\"\n",
	})
	var lines strings.Builder
	for group, last := range map[string]int{"I": 9, "L": 15, "C": 12, "D": 15} {
		for n := range last {
			fmt.Fprintf(&lines, "| %s%d | a rule | `n.TestA` |\n", group, n+1)
		}
	}
	all := lines.String() + "| V7.1 | met | x |\n| V7.2 | app | x |\nV7: 1 of 2, V3.3: 0 of 0"
	for name, c := range map[string]struct{ text, want string }{
		"all":              {all, ""},
		"cases":            {all + "`TestA/one` `n.FuzzB` `FuzzB/a/case` `core.TestA`", ""},
		"rule is missing":  {strings.Replace(all, "| I3 ", "| I33 ", 1), "rule I3 has 0 lines"},
		"rule twice":       {all + "\n| C12 | again | `n.TestA` |", "rule C12 has 2 lines"},
		"rule not proved":  {strings.Replace(all, "| D9 | a rule | `n.TestA`", "| D9 | a rule | yes", 1), "rule D9 names no test"},
		"rule not met":     {strings.Replace(all, "| D9 | a rule | `n.TestA`", "| D9 | a rule | not met", 1), ""},
		"no such test":     {all + "`TestGone`", "there is no test TestGone"},
		"not in that":      {all + "`core.FuzzB`", "there is no test core.FuzzB"},
		"no such case":     {all + "`n.TestA/two`", "there is no test n.TestA/two"},
		"several":          {all + "`TestA`", "TestA is in core, core/n: write which"},
		"wrong count":      {strings.Replace(all, "V7: 1", "V7: 2", 1), "V7: 1 of 2"},
		"name of a method": {all + "`m.Gone`", "there is no m.Gone"},
	} {
		expectOne(t, name, checkRules(c.text, packages), c.want)
	}
}

// expectOne wants one problem with a text in it, or none if that is empty.
func expectOne(t *testing.T, name string, problems []string, want string) {
	t.Helper()
	if want == "" && len(problems) > 0 || want != "" && (len(problems) != 1 || !strings.Contains(problems[0], want)) {
		t.Errorf("%s: problems %q, want %q", name, problems, want)
	}
}
