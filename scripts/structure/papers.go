package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkPapers wants docs/options.md and docs/security.md to be true: what they name exists, every option is in the one, and
// every rule of the checklist in the other.
func checkPapers(root string, packages []pkg) []string {
	options, err1 := os.ReadFile(filepath.Join(root, "docs", "options.md"))
	security, err2 := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err1 != nil || err2 != nil {
		return []string{"docs: options.md and security.md cannot both be read"}
	}
	return append(checkOptions(string(options), packages), checkRules(string(security), packages)...)
}

// checkOptions compares the names in text, which are written as session.Options.Cookie.Name and redis://?pool_size, with
// those that there are.
func checkOptions(text string, packages []pkg) []string {
	names, options := apiOf(packages)
	params := paramsOf(packages)
	problems, named := checkNames("docs/options.md", text, packages, names)
	for _, span := range spans(text) {
		if scheme, param, ok := strings.Cut(span, "://?"); ok {
			named[span] = true
			if !params[span] {
				problems = append(problems, fmt.Sprintf("docs/options.md: stores with %s:// have no parameter %s", scheme, param))
			}
		}
	}
	maps.Copy(options, params)
	tried := tries(packages)
	for _, o := range slices.Sorted(maps.Keys(options)) {
		if !named[o] {
			problems = append(problems, "docs/options.md: `"+o+"` is missing")
		}
		if !tried[o] {
			problems = append(problems, o+": no test looks for its effect (see TestEveryOptionHasAnEffect of its package)")
		}
	}
	return problems
}

// tries returns the options and parameters that stand by themselves in an effect_test.go or its like, as the key of a line that
// looks for their effects. Those of session stand there without the name of the package and the struct.
func tries(packages []pkg) map[string]bool {
	tried := make(map[string]bool)
	for _, p := range packages {
		for _, f := range p.files {
			if !f.test || !strings.HasPrefix(path.Base(f.path), "effect_") {
				continue
			}
			for n := range ast.Preorder(f.ast) {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					tried[text] = true
					tried[path.Base(p.dir)+".Options."+text] = true
				}
			}
		}
	}
	return tried
}

// checkNames wants every name of a package that users import, such as session.Session.Renew, to exist. It returns the names.
func checkNames(paper, text string, packages []pkg, names map[string]bool) (problems []string, named map[string]bool) {
	qualified := regexp.MustCompile(`^\w+(\.[A-Z]\w*)+`)
	named = make(map[string]bool)
	for _, span := range spans(text) {
		name := qualified.FindString(span)
		owner, member, _ := strings.Cut(name, ".")
		known := slices.ContainsFunc(packages, func(p pkg) bool { return p.users && p.name == owner })
		if name == "" || !known || testName().MatchString(member) {
			continue
		}
		if named[name] = true; !names[name] {
			problems = append(problems, paper+": there is no "+name)
		}
	}
	return problems, named
}

// spans are the pieces of code in a text.
func spans(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// apiOf returns the exported names of the packages that users import, and which of them are options: the fields of the
// structs called Options, and instead of a field that is a struct of the same package the fields of that.
func apiOf(packages []pkg) (names, options map[string]bool) {
	names, options = make(map[string]bool), make(map[string]bool)
	for _, p := range packages {
		if !p.users {
			continue
		}
		structs := structsOf(p)
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, n := range exported(f.ast) {
				names[p.name+"."+n.text] = true
			}
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
					names[p.name+"."+receiver(fn.Recv.List[0].Type)+"."+fn.Name.Name] = true
				}
			}
		}
		for name := range structs {
			for field, leaf := range fieldsOf(structs, name) {
				names[p.name+"."+name+field] = true
				if leaf && name == "Options" {
					options[p.name+"."+name+field] = true
				}
			}
		}
	}
	return names, options
}

func structsOf(p pkg) map[string]*ast.StructType {
	structs := make(map[string]*ast.StructType)
	for _, f := range p.files {
		for n := range ast.Preorder(f.ast) {
			if s, ok := n.(*ast.TypeSpec); ok && !f.test && s.Name.IsExported() {
				if t, ok := s.Type.(*ast.StructType); ok {
					structs[s.Name.Name] = t
				}
			}
		}
	}
	return structs
}

// fieldsOf returns the paths of the exported fields of a struct, such as .Cookie.Name, and whether each has none below it.
func fieldsOf(structs map[string]*ast.StructType, name string) map[string]bool {
	fields := make(map[string]bool)
	for _, f := range structs[name].Fields.List {
		for _, id := range f.Names {
			if !id.IsExported() {
				continue
			}
			fields["."+id.Name] = true
			inner, _ := f.Type.(*ast.Ident)
			if inner == nil || structs[inner.Name] == nil {
				continue
			}
			fields["."+id.Name] = false
			for below, leaf := range fieldsOf(structs, inner.Name) {
				fields["."+id.Name+below] = leaf
			}
		}
	}
	return fields
}

// paramsOf returns the parameters that the stores ask package storeurl for, as redis://?pool_size.
func paramsOf(packages []pkg) map[string]bool {
	params, common := make(map[string]bool), []string(nil)
	for _, p := range packages {
		if path.Base(p.dir) == "storeurl" {
			for _, f := range p.files {
				asked, _ := asks(f)
				common = append(common, asked...)
			}
		}
	}
	schemes := map[string]string{"memstore": "memory", "filestore": "file", "redisstore": "redis", "mysqlstore": "mysql"}
	for _, p := range packages {
		scheme := path.Base(p.dir)
		if s, ok := schemes[scheme]; ok {
			scheme = s
		}
		for _, f := range p.files {
			if !slices.ContainsFunc(f.ast.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, `/storeurl"`) }) {
				continue
			}
			asked, more := asks(f)
			if more {
				asked = append(asked, common...)
			}
			for _, name := range asked {
				params[scheme+"://?"+name] = true
			}
		}
	}
	return params
}

// asks returns the parameters that a file asks for by their names, and whether for those of TLS and the password too.
func asks(f file) (names []string, more bool) {
	if f.test {
		return nil, false
	}
	for n := range ast.Preorder(f.ast) {
		call, _ := n.(*ast.CallExpr)
		if call == nil || len(call.Args) > 3 {
			continue
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || fmt.Sprint(sel.X) != "p" {
			continue
		}
		switch sel.Sel.Name {
		case "TLS", "Password":
			more = true
		case "String", "Bool", "Int", "Duration":
			if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, _ := strconv.Unquote(lit.Value)
				names = append(names, name)
			}
		}
	}
	return names, more
}
