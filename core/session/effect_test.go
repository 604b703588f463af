package session_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nonstick-go/nonstick/core/session"
)

// setting is all that an application can choose.
type setting struct {
	session.Options

	Limits session.Limits
	Login  session.Login
	Mode   session.Mode
}

// effect is what an option changes, as a visitor, an operator, or somebody who has the store can see it.
type effect struct {
	option string
	base   setting // without the option, which needs others now and then
	set    setting // with it, and nothing else that is different
	see    func(*testing.T, setting) string
	want   string // is seen with the option, and not without it
}

// opts is a setting of Options alone.
func opts(o session.Options) setting { return setting{Options: o} }

// TestEveryOptionHasAnEffect sets each option there is, and looks for what it changes. Whoever adds an option adds a line.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	missing := make(map[string]bool)
	for option := range differences(setting{}, setting{}) {
		missing[option] = true
	}
	for _, e := range slices.Concat(cookieEffects(), timeEffects(), budgetEffects(), dataEffects(), visitorEffects(), subjectEffects(),
		lockEffects(), secretEffects(), tellingEffects(), bindEffects()) {
		delete(missing, e.option)
		different := differences(e.base, e.set)
		maps.DeleteFunc(different, func(_ string, yes bool) bool { return !yes })
		if len(different) != 1 || !different[e.option] {
			t.Errorf("%s: the settings differ in %v", e.option, slices.Sorted(maps.Keys(different)))
			continue
		}
		t.Run(e.option, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, s := range []*setting{&e.base, &e.set} {
					if s.Observer == nil {
						s.Observer = session.Silent{}
					}
				}
				without, with := e.see(t, e.base), e.see(t, e.set)
				if strings.Contains(without, e.want) || !strings.Contains(with, e.want) {
					t.Errorf("without it: %s\nwith it: %s\nwant %s with it alone", without, with, e.want)
				}
			})
		})
	}
	for option := range missing {
		t.Errorf("%s: nobody looks for its effect", option)
	}
}

// differences returns the names of all options, and in which of them two settings differ.
func differences(a, b setting) map[string]bool {
	all := make(map[string]bool)
	compare(all, "", reflect.ValueOf(a), reflect.ValueOf(b))
	return all
}

func compare(all map[string]bool, name string, a, b reflect.Value) {
	if a.Kind() != reflect.Struct || !strings.HasSuffix(a.Type().PkgPath(), "/session") && a.Type() != reflect.TypeFor[setting]() {
		if a.Kind() == reflect.Func {
			all[name] = a.IsNil() != b.IsNil()
			return
		}
		all[name] = !reflect.DeepEqual(a.Interface(), b.Interface())
		return
	}
	for f, va := range a.Fields() {
		below := name + "." + f.Name
		if f.Anonymous {
			below = name
		}
		compare(all, strings.TrimPrefix(below, "."), va, b.FieldByIndex(f.Index))
	}
}
