package main

import (
	"fmt"
	"go/ast"
	"go/token"
)

// checkInits wants init functions to do nothing but call Register, so that importing a package costs and surprises nobody.
func checkInits(p pkg) []string {
	var problems []string
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name != "init" {
				continue
			}
			for _, s := range fn.Body.List {
				if !registers(s) {
					problems = append(problems, fmt.Sprintf("%s: init may only call Register", f.at(s.Pos())))
				}
			}
		}
	}
	return problems
}

// registers reports whether the statement is a call of a function called Register, a constant for it, or a loop over such
// calls.
func registers(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.DeclStmt:
		d, ok := s.Decl.(*ast.GenDecl)
		return ok && d.Tok == token.CONST
	case *ast.RangeStmt:
		for _, inner := range s.Body.List {
			if !registers(inner) {
				return false
			}
		}
		return true
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		switch fn := call.Fun.(type) {
		case *ast.Ident:
			return fn.Name == "Register"
		case *ast.SelectorExpr:
			return fn.Sel.Name == "Register"
		}
	}
	return false
}
