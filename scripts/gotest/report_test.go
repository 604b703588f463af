package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const pass = "func TestGood(t *testing.T) { t.Log(\"chatter\") }\n"
	for _, tc := range []struct {
		name, code string
		good       bool
		want       []string
	}{
		{"pass", pass, true, []string{"ok  \t", "1 passed, 0 failed, 0 skipped"}},
		{"fail", pass + "func TestBad(t *testing.T) { t.Error(\"broken thing\") }\n", false,
			[]string{"broken thing", "FAIL\t", "1 passed, 1 failed, 0 skipped"}},
		{"skip", pass + "func TestLater(t *testing.T) { t.Skip(\"no server\") }\n", false,
			[]string{"TestLater", "no server", "1 passed, 0 failed, 1 skipped"}},
		{"panic", "func TestBad(t *testing.T) { panic(\"boom\") }\n", false, []string{"boom", "0 passed, 1 failed, 0 skipped"}},
		{"exit", pass + "func TestBad(t *testing.T) { os.Exit(3) }\n", false, []string{"FAIL\t", "1 passed, 1 failed, 0 skipped"}},
		{"does not compile", "func TestBad(t *testing.T) { undefined() }\n", false,
			[]string{"undefined: undefined", "[build failed]", "0 passed, 1 failed, 0 skipped"}},
		{"no test", "", false, []string{"No test passed.", "0 passed, 0 failed, 0 skipped"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var r report
			var out strings.Builder
			if err := r.read(strings.NewReader(goTestJSON(t, tc.code)), &out); err != nil {
				t.Fatal(err)
			}
			if good := r.close(&out); good != tc.good {
				t.Errorf("good = %t, want %t", good, tc.good)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, &out)
				}
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("output shows what a passed test wrote:\n%s", &out)
			}
		})
	}
}

// goTestJSON returns what the real go test prints for a package with these tests.
func goTestJSON(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/m\n\ngo 1.26.0\n",
		"m_test.go": "package m\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar _ = os.Exit\n\nvar _ *testing.T\n\n" + code,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if len(out) == 0 {
		t.Fatalf("go test printed nothing: %v", err)
	}
	return string(out)
}
