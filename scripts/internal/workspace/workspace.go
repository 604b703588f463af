// Package workspace reads which modules this repository has and what their go.mod files say. It asks the go command and
// resolves nothing, so it also works while a module does not compile.
package workspace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Core is the folder of the module that all others build on.
const Core = "core"

// unreleased are the folders of the modules that get no version tag: nobody imports them.
var unreleased = []string{"bench", "examples", "integration", "scripts"}

// Workspace is the go.work file with its modules, sorted by folder.
type Workspace struct {
	Root    string // absolute path of the folder that holds go.work
	Modules []Module
}

// Module is one go.mod file.
type Module struct {
	Dir       string // folder below the root, with slashes
	Path      string // module path
	Go        string // go directive, "" if absent
	Toolchain string // toolchain directive, "" if absent
	Require   []Version
	Replace   []Replace
}

// Version is a module path with a version.
type Version struct{ Path, Version string }

// Replace is one replace directive.
type Replace struct{ Old, New Version }

// Load reads the workspace that dir lies in. It looks for go.work itself, so it also works with GOWORK=off.
func Load(dir string) (*Workspace, error) {
	root, err := findRoot(dir)
	if err != nil {
		return nil, err
	}
	ws := &Workspace{Root: root}
	var work struct{ Use []struct{ DiskPath string } }
	if err := runJSON(root, &work, "work", "edit", "-json", "go.work"); err != nil {
		return nil, err
	}
	for _, use := range work.Use {
		m, err := ws.module(path.Clean(filepath.ToSlash(use.DiskPath)))
		if err != nil {
			return nil, err
		}
		ws.Modules = append(ws.Modules, m)
	}
	slices.SortFunc(ws.Modules, func(a, b Module) int { return strings.Compare(a.Dir, b.Dir) })
	return ws, nil
}

func findRoot(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for d := abs; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.work")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.work file in or above %s", abs)
		}
	}
}

func (ws *Workspace) module(dir string) (Module, error) {
	var file struct {
		Module    struct{ Path string }
		Go        string
		Toolchain string
		Require   []Version
		Replace   []Replace
	}
	if err := runJSON(filepath.Join(ws.Root, dir), &file, "mod", "edit", "-json", "go.mod"); err != nil {
		return Module{}, err
	}
	return Module{dir, file.Module.Path, file.Go, file.Toolchain, file.Require, file.Replace}, nil
}

// Prefix is what all module paths begin with: the path of the core module without its folder.
func (ws *Workspace) Prefix() (string, error) {
	for _, m := range ws.Modules {
		if prefix, ok := strings.CutSuffix(m.Path, "/"+m.Dir); ok && m.Dir == Core {
			return prefix, nil
		}
	}
	return "", fmt.Errorf("no module %s whose path ends in its folder", Core)
}

// Version is the one version at which all modules require each other; two different ones are an error.
func (ws *Workspace) Version() (string, error) {
	version, from := "", ""
	for _, m := range ws.Modules {
		for _, r := range ws.Siblings(m) {
			if version == "" {
				version, from = r.Version, m.Dir
			}
			if r.Version != version {
				return "", fmt.Errorf("%s/go.mod requires %s %s, but %s/go.mod requires siblings at %s", m.Dir, r.Path, r.Version, from, version)
			}
		}
	}
	if version == "" {
		return "", fmt.Errorf("no module requires another")
	}
	return version, nil
}

// Siblings are those requirements of m that are modules of this workspace.
func (ws *Workspace) Siblings(m Module) []Version {
	return slices.DeleteFunc(slices.Clone(m.Require), func(r Version) bool { return ws.Find(r.Path) == nil })
}

// Find returns the module with that path, or nil.
func (ws *Workspace) Find(modulePath string) *Module {
	i := slices.IndexFunc(ws.Modules, func(m Module) bool { return m.Path == modulePath })
	if i < 0 {
		return nil
	}
	return &ws.Modules[i]
}

// Released reports whether the module gets a version tag.
func (m Module) Released() bool { return !slices.Contains(unreleased, m.Dir) }

func runJSON(dir string, into any, args ...string) error {
	out, err := run(dir, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

func run(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w: %s", strings.Join(args, " "), dir, err, stderr.String())
	}
	return out, nil
}
