package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// suite is the one package of ours that is made for tests, and therefore the one that may import package testing.
const suite = "/core/sessiontest"

// fiberUtils imports package testing and comes with fiber, which its users have anyway.
const fiberUtils = "github.com/gofiber/fiber/v2/utils"

// checkGraph asks the go command what the modules depend on when each stands alone, as it does for its users.
func checkGraph(ws *workspace.Workspace) []string {
	prefix, err := ws.Prefix()
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, m := range ws.Modules {
		if m.Dir == workspace.Core {
			problems = append(problems, checkAlone(ws, m)...)
		}
		if m.Released() {
			problems = append(problems, checkImports(ws, m, prefix)...)
		}
	}
	return problems
}

// checkAlone wants no module but itself in the module graph.
func checkAlone(ws *workspace.Workspace, m workspace.Module) []string {
	modules, err := goList(ws, m, "-m", "all")
	if err != nil {
		return []string{err.Error()}
	}
	if len(modules) != 1 {
		return []string{fmt.Sprintf("%s: requires other modules, and may not: %s", m.Dir, strings.Join(modules[1:], ", "))}
	}
	return nil
}

// checkImports looks at the packages of m and all that they consist of, but for the standard library.
func checkImports(ws *workspace.Workspace, m workspace.Module, prefix string) []string {
	const format = `{{if not .Standard}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}`
	lines, err := goList(ws, m, "-deps", "-f", format, "./...")
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, line := range lines {
		pkg, imports, _ := strings.Cut(line, " ")
		if pkg == prefix+suite || pkg == fiberUtils {
			continue
		}
		for imported := range strings.FieldsSeq(imports) {
			if forTests(imported, prefix) {
				problems = append(problems, fmt.Sprintf("%s: %s imports %s, which would become part of its users' programs", m.Dir, pkg, imported))
			}
		}
	}
	return problems
}

func forTests(pkg, prefix string) bool {
	return pkg == "testing" || strings.HasPrefix(pkg, "testing/") || pkg == "net/http/httptest" || pkg == prefix+suite
}

func goList(ws *workspace.Workspace, m workspace.Module, args ...string) ([]string, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = filepath.Join(ws.Root, m.Dir)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: go list %s: %w: %s", m.Dir, strings.Join(args, " "), err, &stderr)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}
