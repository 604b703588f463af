package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

// goVersion is the go directive of every module: the oldest Go that the newest of the third-party requirements takes.
const goVersion = "1.26.0"

// testOnly are the beginnings of the paths of modules that only tests and comparisons need: test servers, browsers,
// assertion libraries, and the session libraries that we are measured against.
var testOnly = []string{
	"github.com/alexedwards/scs",
	"github.com/alicebob/miniredis",
	"github.com/chromedp/",
	"github.com/docker/",
	"github.com/gin-contrib/sessions",
	"github.com/gorilla/sessions",
	"github.com/moby/",
	"github.com/stretchr/testify",
	"github.com/testcontainers/",
}

// checkFiles compares the go.mod files with each other and with their folders.
func checkFiles(ws *workspace.Workspace) []string {
	var problems []string
	if _, err := ws.Version(); err != nil {
		problems = append(problems, err.Error())
	}
	prefix, err := ws.Prefix()
	if err != nil {
		return append(problems, err.Error())
	}
	for _, m := range ws.Modules {
		report := func(format string, args ...any) {
			problems = append(problems, m.Dir+"/go.mod: "+fmt.Sprintf(format, args...))
		}
		if m.Path != prefix+"/"+m.Dir {
			report("module %s is not named after its folder", m.Path)
		}
		if m.Go != goVersion {
			report("go %s, want go %s as everywhere", m.Go, goVersion)
		}
		if m.Toolchain != "" {
			report("toolchain line: a library leaves the toolchain to its users")
		}
		checkReplaces(ws, m, report)
		if m.Released() {
			checkRequires(ws, m, report)
		}
	}
	return problems
}

// checkReplaces wants one relative replace for each required sibling, and no other.
func checkReplaces(ws *workspace.Workspace, m workspace.Module, report func(string, ...any)) {
	replaced := make(map[string]string)
	for _, r := range m.Replace {
		replaced[r.Old.Path] = r.New.Path
	}
	for _, r := range ws.Siblings(m) {
		sibling := ws.Find(r.Path)
		if got := path.Join(m.Dir, replaced[r.Path]); replaced[r.Path] == "" || got != sibling.Dir {
			report("requires %s without replacing it by the relative path of folder %s", r.Path, sibling.Dir)
		}
		delete(replaced, r.Path)
	}
	for old := range replaced {
		report("replaces %s, which is no required module of this repository: users would not get the replacement", old)
	}
}

// checkRequires keeps what only tests need out of a released module.
func checkRequires(ws *workspace.Workspace, m workspace.Module, report func(string, ...any)) {
	for _, r := range m.Require {
		if sibling := ws.Find(r.Path); sibling != nil && !sibling.Released() {
			report("requires %s, which is not released", r.Path)
		}
		for _, prefix := range testOnly {
			if strings.HasPrefix(r.Path, prefix) {
				report("requires %s, which is for tests: move the test to the integration module", r.Path)
			}
		}
	}
}
