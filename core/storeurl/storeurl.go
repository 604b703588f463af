// Package storeurl reads the parameters of a store URL for backends: every parameter must be known, well-formed and
// given once, and no error shows a value, which may be a secret. It also finds the password, which may be in a file.
//
// # Errors
//
// All problems of one URL are collected and reported together by Err.
//
// # Concurrency
//
// A Params is for one goroutine. A Password may be read by any number.
package storeurl

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Params is the query of a store URL. Each parameter that a method asks for becomes a known one.
type Params struct {
	values url.Values
	known  []string
	errs   []error
}

// New reads the query of u.
func New(u *url.URL) *Params {
	values, err := url.ParseQuery(u.RawQuery)
	p := &Params{values: values}
	if err != nil { // the parser's text quotes the query
		p.errs = append(p.errs, errors.New("the query is malformed"))
	}
	return p
}

// String returns the value of a parameter, or def.
func (p *Params) String(name, def string) string {
	if text, ok := p.take(name); ok {
		return text
	}
	return def
}

// Bool returns the value of a parameter that is "true" or "false", or def.
func (p *Params) Bool(name string, def bool) bool {
	text, ok := p.take(name)
	if !ok {
		return def
	}
	if text != "true" && text != "false" {
		p.fail("%s must be true or false", name)
	}
	return text == "true"
}

// Int returns the value of a parameter that is a whole number of at least least, or def.
func (p *Params) Int(name string, def, least int) int {
	text, ok := p.take(name)
	if !ok {
		return def
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < least {
		p.fail("%s must be a whole number of at least %d", name, least)
	}
	return v
}

// Duration returns the value of a parameter that is a positive duration such as 150ms or 2s, or def.
func (p *Params) Duration(name string, def time.Duration) time.Duration {
	text, ok := p.take(name)
	if !ok {
		return def
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		p.fail("%s must be a positive duration such as 150ms or 2s", name)
	}
	return v
}

// Err returns what was wrong: malformed values, parameters given twice, and parameters that nobody asked for. Call it
// after all others.
func (p *Params) Err() error {
	errs := slices.Clone(p.errs)
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.known, name) {
			errs = append(errs, fmt.Errorf("unknown parameter%s; known are: %s", p.shown(name), strings.Join(p.known, ", ")))
		}
	}
	return errors.Join(errs...)
}

func (p *Params) take(name string) (string, bool) {
	p.known = append(p.known, name)
	slices.Sort(p.known)
	v := p.values[name]
	if len(v) > 1 {
		p.fail("%s is given %d times", name, len(v))
	}
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// shown returns the name of a parameter if it can only be one: a badly escaped password may end up in its place.
func (p *Params) shown(name string) string {
	isName := name != "" && p.values.Get(name) != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && r != '_'
	})
	if !isName {
		return ""
	}
	return " " + name[:min(len(name), 40)]
}

func (p *Params) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}
