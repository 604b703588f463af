package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// pkg is a folder with Go files.
type pkg struct {
	dir   string // below the root, with slashes
	name  string // of the package that is not a test
	users bool   // users import it: it is neither a program, internal, nor in a module that is not released
	files []file
}

// file is a parsed Go file.
type file struct {
	path  string // below the root, with slashes
	fset  *token.FileSet
	ast   *ast.File
	lines int
	test  bool
}

// at is a position in the file, for messages.
func (f file) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(pos).Line)
}

// parse reads the Go files of all modules, sorted by folder.
func parse(ws *workspace.Workspace) ([]pkg, error) {
	byDir := make(map[string]*pkg)
	for _, m := range ws.Modules {
		root := filepath.Join(ws.Root, m.Dir)
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && name != root && skip(ws, name):
				return fs.SkipDir
			case entry.IsDir() || filepath.Ext(name) != ".go":
				return nil
			}
			return add(ws, m, byDir, name)
		})
		if err != nil {
			return nil, err
		}
	}
	packages := make([]pkg, 0, len(byDir))
	for _, p := range byDir {
		p.users = p.users && p.name != "main" && p.name != ""
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b pkg) int { return strings.Compare(a.dir, b.dir) })
	return packages, nil
}

// skip reports whether the go command takes the folder for part of the module above it.
func skip(ws *workspace.Workspace, dir string) bool {
	base := filepath.Base(dir)
	nested := slices.ContainsFunc(ws.Modules, func(m workspace.Module) bool { return filepath.Join(ws.Root, m.Dir) == dir })
	return nested || base == "testdata" || base[0] == '.' || base[0] == '_'
}

func add(ws *workspace.Workspace, m workspace.Module, byDir map[string]*pkg, name string) error {
	rel, err := filepath.Rel(ws.Root, name)
	if err != nil {
		return err
	}
	f := file{path: filepath.ToSlash(rel), fset: token.NewFileSet(), test: strings.HasSuffix(name, "_test.go")}
	if f.ast, err = parser.ParseFile(f.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return err
	}
	f.lines = f.fset.File(f.ast.FileStart).LineCount()
	dir := path.Dir(f.path)
	p := byDir[dir]
	if p == nil {
		p = &pkg{dir: dir, users: m.Released() && !slices.Contains(strings.Split(dir, "/"), "internal")}
		byDir[dir] = p
	}
	if !f.test {
		p.name = f.ast.Name.Name
	}
	p.files = append(p.files, f)
	return nil
}
