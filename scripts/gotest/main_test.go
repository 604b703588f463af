package main

import (
	"reflect"
	"testing"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func TestRuns(t *testing.T) {
	t.Parallel()
	ws := &workspace.Workspace{Root: "/r", Modules: []workspace.Module{
		{Dir: "core", Path: "x/core"}, {Dir: "integration", Path: "x/integration"}, {Dir: "scripts", Path: "x/scripts"},
	}}
	flags := []string{"-race"}
	for _, tc := range []struct {
		name      string
		got, want []run
	}{
		{"together", together(ws, flags), []run{
			{"/r", "/r/go.work", []string{"-race", "x/core/...", "x/scripts/..."}},
			{"/r", "/r/go.work", []string{"-p=1", "-count=1", "-race", "x/integration/..."}},
		}},
		{"alone", alone(ws, flags), []run{
			{"/r/core", "off", []string{"-race", "./..."}},
			{"/r/scripts", "off", []string{"-race", "./..."}},
		}},
	} {
		if !reflect.DeepEqual(tc.got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, tc.got, tc.want)
		}
	}
}
