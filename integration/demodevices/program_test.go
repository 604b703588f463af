package demodevices_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// Everything is waited for with these bounds, which only a machine that hangs exceeds.
const (
	startTime = 60 * time.Second
	waitTime  = 60 * time.Second
)

// start builds and starts examples/devices on a free port, and returns its URL.
func start(t *testing.T, args ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "devices")
	build := exec.Command("go", "build", "-o", program, "./devices")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/devices: %v\n%s", err, out)
	}
	cmd := exec.Command(program, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		timer := time.AfterFunc(waitTime, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after Ctrl-C the program ends with %v, want exit code 0", err)
		}
	})
	timer := time.AfterFunc(startTime, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	found := regexp.MustCompile(`^open (http://[^/]+)/ in two browsers`).FindStringSubmatch(line)
	if err != nil || found == nil {
		t.Fatalf("the program says %q, %v, want its address", line, err)
	}
	return found[1]
}
