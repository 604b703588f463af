package main

import (
	"fmt"
	"go/ast"
)

// The hard limits, in lines. A table of test cases is long without being complicated.
const (
	maxFile     = 400
	maxFunc     = 60
	maxTestFunc = 200
)

// checkLengths wants files that can be read in one go and functions that fit a screen.
func checkLengths(p pkg) []string {
	var problems []string
	for _, f := range p.files {
		if f.lines > maxFile {
			problems = append(problems, fmt.Sprintf("%s: %d lines, at most %d: split it by concept", f.path, f.lines, maxFile))
		}
		limit := maxFunc
		if f.test {
			limit = maxTestFunc
		}
		for _, fn := range funcs(f) {
			if fn.lines > limit {
				problems = append(problems, fmt.Sprintf("%s:%d: %s has %d lines, at most %d", f.path, fn.line, fn.name, fn.lines, limit))
			}
		}
	}
	return problems
}

// function is a declared function or method with its length from its first to its last line, without its comment.
type function struct {
	name        string
	line, lines int
}

func funcs(f file) []function {
	var all []function
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			first, last := f.fset.Position(fn.Pos()).Line, f.fset.Position(fn.End()).Line
			all = append(all, function{fn.Name.Name, first, last - first + 1})
		}
	}
	return all
}
