package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// testName matches how a test is written in docs/security.md: TestX, with the folder in front if there are several of that
// name (filestore.TestList), and with a case of it (TestAdapter/token/unknown).
func testName() *regexp.Regexp {
	return regexp.MustCompile(`^(?:([\w/]+)\.)?((?:Test|Fuzz)[A-Z]\w*)(?:/(.+))?$`)
}

// checkRules wants the tests that text names to exist, each rule of the checklist to have one line that names a test, says
// "not met" or is about a document, and the numbers of ASVS lines that are met to be those of the table.
func checkRules(text string, packages []pkg) []string {
	names, _ := apiOf(packages)
	problems, _ := checkNames("docs/security.md", text, packages, names)
	for _, span := range spans(text) {
		if m := testName().FindStringSubmatch(span); m != nil {
			problems = append(problems, checkTest(span, m[1], m[2], m[3], packages)...)
		}
	}
	for group, last := range map[string]int{"I": 9, "L": 15, "C": 12, "D": 15} {
		for n := range last {
			problems = append(problems, checkLine(fmt.Sprint(group, n+1), text)...)
		}
	}
	slices.Sort(problems)
	for _, chapter := range []string{"V7", "V3.3"} {
		rows := regexp.MustCompile(`(?m)^\| `+regexp.QuoteMeta(chapter)+`\.[\d.]+ \| (\w+)`).FindAllStringSubmatch(text, -1)
		met := 0
		for _, row := range rows {
			if row[1] == "met" {
				met++
			}
		}
		if want := fmt.Sprintf("%s: %d of %d", chapter, met, len(rows)); !strings.Contains(text, want) {
			problems = append(problems, "docs/security.md: does not say what its table says, "+want)
		}
	}
	return problems
}

// checkLine looks at the line of one rule.
func checkLine(rule, text string) []string {
	rows := regexp.MustCompile(`(?m)^\| `+rule+` .*$`).FindAllString(text, -1)
	if len(rows) != 1 {
		return []string{fmt.Sprintf("docs/security.md: rule %s has %d lines, not one", rule, len(rows))}
	}
	proved := slices.ContainsFunc(spans(rows[0]), testName().MatchString)
	if !proved && !strings.Contains(rows[0], "not met") && !strings.Contains(rows[0], "document") {
		return []string{"docs/security.md: rule " + rule + " names no test, and does not say that it is not met"}
	}
	return nil
}

// checkTest looks for a test, and for its case as a string in its folder or among those of the suites.
func checkTest(span, dir, name, sub string, packages []pkg) []string {
	var found []string
	hasCase := sub == ""
	for _, p := range packages {
		if dir != "" && p.dir != dir && !strings.HasSuffix(p.dir, "/"+dir) {
			continue
		}
		for _, f := range p.files {
			if f.test && slices.ContainsFunc(funcs(f), func(fn function) bool { return fn.name == name }) {
				found = append(found, p.dir)
				hasCase = hasCase || holds(p, sub)
			}
		}
	}
	hasCase = hasCase || slices.ContainsFunc(packages, func(p pkg) bool { return p.name == "sessiontest" && holds(p, sub) })
	switch {
	case len(found) == 0 || !hasCase:
		return []string{"docs/security.md: there is no test " + span}
	case len(found) > 1 && sub == "":
		return []string{fmt.Sprintf("docs/security.md: %s is in %s: write which", span, strings.Join(found, ", "))}
	}
	return nil
}

// holds reports whether a package has a string.
func holds(p pkg, text string) bool {
	for _, f := range p.files {
		for n := range ast.Preorder(f.ast) {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && s == text {
				return true
			}
		}
	}
	return false
}
