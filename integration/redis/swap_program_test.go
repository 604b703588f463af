package redis_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The example of the swap differs in one import, as its README says, and a visitor of one program is known to the other.
func TestSwapProgram(t *testing.T) {
	t.Parallel()
	const folder = "../../examples/swap"
	lines := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		must(t, "read", err)
		return strings.Split(string(text), "\n")
	}
	one, other, readme := lines("goredis/main.go"), lines("redigo/main.go"), strings.Join(lines("README.md"), "\n")
	if len(one) != len(other) {
		t.Fatalf("%d and %d lines", len(one), len(other))
	}
	differ := 0
	for i := range one {
		if one[i] == other[i] || strings.HasPrefix(one[i], "// Command") {
			continue
		}
		if differ++; !strings.Contains(readme, "-"+one[i]+"\n+"+other[i]+"\n") {
			t.Errorf("the README does not show that %q becomes %q", one[i], other[i])
		}
	}
	if differ != 1 {
		t.Errorf("%d lines differ, want 1", differ)
	}

	r := servers.StartRedis(t, nil)
	jar, err := cookiejar.New(nil)
	must(t, "cookie jar", err)
	browser := &http.Client{Jar: jar, Timeout: patience}
	visits := 0
	for _, name := range []string{"goredis", "redigo", "goredis"} {
		base, stop := runExample(t, filepath.Join(folder, name), r.URL())
		for range 2 {
			visits++
			if got, want := get(t, browser, base), fmt.Sprintf("visit %d\n", visits); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		stop()
	}
}

// runExample builds and starts a program, and waits until it answers. Cookies do not tell ports apart.
func runExample(t *testing.T, folder, store string) (base string, stop func()) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, "listen", err)
	addr := l.Addr().String()
	must(t, "close", l.Close())
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "ADDR="+addr, "STORE="+store+"?"+patient)
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, "start", cmd.Start())
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return "http://" + addr + "/", stop
		}
		if time.Since(begin) > patience {
			t.Fatalf("%s does not listen: %v\n%s", folder, err, &out)
		}
	}
}

func get(t *testing.T, c *http.Client, target string) string {
	t.Helper()
	resp, err := c.Get(target)
	must(t, "GET", err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, "read", err)
	return string(body)
}
