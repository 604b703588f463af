package demo_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Everything is waited for with these bounds, which only a machine that hangs exceeds.
const (
	startTime = 60 * time.Second
	endTime   = 30 * time.Second
	pollPause = 10 * time.Millisecond
)

// demo is a running examples/loadbalanced.
type demo struct {
	t      *testing.T
	base   string            // URL of the balancer
	nodes  map[string]string // name -> URL
	temp   string            // its folder for temporary files
	cmd    *exec.Cmd
	exited chan error    // the end of the parent
	gone   chan struct{} // closed when the parent and all children are gone

	mu  sync.Mutex
	out bytes.Buffer // standard error of all
}

// programs is the folder of what the tests build.
var programs string

// build builds the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programs, "loadbalanced")
	cmd := exec.Command("go", "build", "-o", program, "./loadbalanced")
	cmd.Dir = filepath.Join("..", "..", "examples")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "nonstick-demo-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// launch starts the program. It is ended with the test, if it is not before.
func launch(t *testing.T, args ...string) (*demo, io.Reader) {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatalf("build examples/loadbalanced: %v", err)
	}
	d := &demo{t: t, temp: t.TempDir(), exited: make(chan error, 1), gone: make(chan struct{}), nodes: map[string]string{}}
	d.cmd = exec.Command(program, args...)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.temp)
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	// Every process of the demo holds this pipe open: it ends when the last of them does.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = w
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		_, _ = io.Copy(d, r)
		_ = r.Close()
		close(d.gone)
	}()
	t.Cleanup(d.clean)
	return d, stdout
}

// start starts the program on free ports and waits until it serves.
func start(t *testing.T, args ...string) *demo {
	t.Helper()
	d, stdout := launch(t, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	d.awaitStart(stdout)
	return d
}

// awaitStart reads the line that tells where the program listens.
func (d *demo) awaitStart(stdout io.Reader) {
	d.t.Helper()
	timer := time.AfterFunc(startTime, func() { _ = d.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		d.t.Fatalf("the demo did not start: %v\n%s", err, d.output())
	}
	go func() { d.exited <- d.cmd.Wait() }()
	form := `^open (http://[^/]+)/ in a browser \((node-gin) (\S+), (node-echo) (\S+), (node-fiber) ([^;]+);`
	found := regexp.MustCompile(form).FindStringSubmatch(line)
	if found == nil {
		d.t.Fatalf("the first line is %q, want the address and the nodes", line)
	}
	d.base = found[1]
	for i := 2; i < len(found); i += 2 {
		d.nodes[found[i]] = "http://" + found[i+1]
	}
}

// end sends a signal to the parent, and waits until it and all its children are gone.
func (d *demo) end(s os.Signal) error {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
	return d.awaitEnd()
}

func (d *demo) awaitEnd() error {
	d.t.Helper()
	select {
	case <-d.gone:
	case <-time.After(endTime):
		d.t.Fatal("processes of the demo are left")
	}
	return <-d.exited
}

func (d *demo) clean() {
	select {
	case <-d.gone:
	default:
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.gone:
		case <-time.After(endTime):
			d.t.Error("processes of the demo are left after SIGTERM")
			_ = d.cmd.Process.Kill()
		}
	}
	if d.t.Failed() {
		d.t.Logf("the demo's standard error:\n%s", d.output())
	}
}

// Write collects the standard error.
func (d *demo) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.Write(p)
}

func (d *demo) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.out.String()
}

// eventually calls ok until it is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(endTime); !ok(); time.Sleep(pollPause) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}
