package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkDocs wants a package doc, an Example of a package that users import, and a comment at every exported name.
func checkDocs(p pkg) []string {
	var problems []string
	hasDoc, hasExample, exports := false, false, false
	for _, f := range p.files {
		if f.test {
			hasExample = hasExample || slices.ContainsFunc(funcs(f), func(fn function) bool { return strings.HasPrefix(fn.name, "Example") })
			continue
		}
		hasDoc = hasDoc || f.ast.Doc != nil
		for _, n := range exported(f.ast) {
			exports = true
			if !n.documented {
				problems = append(problems, fmt.Sprintf("%s: exported %s has no comment", f.at(n.pos), n.text))
			}
		}
	}
	if p.name != "" && !hasDoc {
		problems = append(problems, p.dir+": package "+p.name+" has no package doc")
	}
	if p.users && exports && !hasExample {
		problems = append(problems, p.dir+": package "+p.name+" has no Example (example_test.go)")
	}
	return problems
}

// name is an exported name of a package.
type name struct {
	text       string
	pos        token.Pos
	documented bool
}

// exported lists the exported names that a file declares: functions, methods of exported types, types, constants,
// variables, and the fields of option structs, whose defaults and units nobody can guess. A comment at a group of
// constants or variables counts for all of it.
func exported(f *ast.File) []name {
	var names []name
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) {
				names = append(names, name{d.Name.Name, d.Pos(), d.Doc != nil})
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				names = append(names, specNames(d, s)...)
			}
		}
	}
	return names
}

func specNames(d *ast.GenDecl, s ast.Spec) []name {
	var names []name
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			names = append(names, name{s.Name.Name, s.Pos(), s.Doc != nil || d.Doc != nil})
			names = append(names, optionFields(s)...)
		}
	case *ast.ValueSpec:
		for _, id := range s.Names {
			if id.IsExported() {
				names = append(names, name{id.Name, id.Pos(), s.Doc != nil || s.Comment != nil || d.Doc != nil})
			}
		}
	}
	return names
}

// optionFields lists the exported fields of a struct whose name ends in Options.
func optionFields(s *ast.TypeSpec) []name {
	t, ok := s.Type.(*ast.StructType)
	if !ok || !strings.HasSuffix(s.Name.Name, "Options") {
		return nil
	}
	var names []name
	for _, f := range t.Fields.List {
		for _, id := range f.Names { // embedded ones have none
			if id.IsExported() {
				names = append(names, name{s.Name.Name + "." + id.Name, id.Pos(), f.Doc != nil || f.Comment != nil})
			}
		}
	}
	return names
}

// receiver is the name of a method's type, without pointer and type parameters.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
