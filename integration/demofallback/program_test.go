package demofallback_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	waitTime  = 60 * time.Second
	pollPause = 50 * time.Millisecond
)

// demo is a running examples/fallback.
type demo struct {
	t      *testing.T
	base   string // its URL
	temp   string // its folder for temporary files
	cmd    *exec.Cmd
	exited chan error
	gone   chan struct{} // closed when the program and all its children are gone

	mu  sync.Mutex
	out bytes.Buffer // standard output and error
}

// programs is the folder of what the tests build.
var programs string

// build builds the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programs, "fallback")
	cmd := exec.Command("go", "build", "-o", program, "./fallback")
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

// launch starts the program. Every process of the demo holds its output open, or has it in the folder for temporary files.
func launch(t *testing.T, args ...string) (*demo, io.Reader) {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatalf("build examples/fallback: %v", err)
	}
	temp, err := os.MkdirTemp("", "demo") // t.TempDir is too long a path for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	d := &demo{t: t, temp: temp, exited: make(chan error, 1), gone: make(chan struct{})}
	d.cmd = exec.Command(program, args...)
	d.cmd.Dir = filepath.Join("..", "..") // where bin/servers is
	d.cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdout, d.cmd.Stderr = w, w
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(d.clean)
	return d, r
}

// start starts the program on a free port and waits until it serves.
func start(t *testing.T, args ...string) *demo {
	t.Helper()
	d, r := launch(t, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	timer := time.AfterFunc(startTime, func() { _ = d.cmd.Process.Kill() })
	defer timer.Stop()
	out := bufio.NewReader(r)
	line, err := out.ReadString('\n')
	go func() {
		_, _ = io.Copy(d, out)
		d.exited <- d.cmd.Wait()
		close(d.gone)
	}()
	found := regexp.MustCompile(`^open (http://[^/]+)/ in a browser `).FindStringSubmatch(line)
	if err != nil || found == nil {
		t.Fatalf("the demo says %q, %v, want its address. Servers that are missing are got with: scripts/servers", line, err)
	}
	d.base = found[1]
	return d
}

// clean ends the program, if the test has not.
func (d *demo) clean() {
	select {
	case <-d.gone:
	default:
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.gone:
		case <-time.After(waitTime):
			d.t.Error("processes of the demo are left after SIGTERM")
			_ = d.cmd.Process.Kill()
		}
	}
	if d.t.Failed() {
		d.t.Logf("the demo's output:\n%s", d.output())
	}
}

// Write collects the output.
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

// state is what the page shows.
type state struct {
	Servers []struct{ Name, State string }
	Nodes   []struct {
		Serves   bool
		Believed bool
		FastUp   bool `json:"fast_up"`
		Durable  bool `json:"durable_up"`
		Open     int
	}
	Sticky  bool
	Traffic struct {
		Total   struct{ Requests, Errors int }
		Seconds []struct{ Reads, Changes [3]int }
	}
	Checker struct {
		Checks, Acknowledged, Logouts, Undone int
		SessionsLost                          int `json:"sessions_lost"`
		ChangesLost                           int `json:"changes_lost"`
	}
}

// state asks for it.
func (d *demo) state() (s state) {
	d.t.Helper()
	resp, err := http.Get(d.base + "/state")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// press presses a button, and wants a status for an answer.
func (d *demo) press(server, action string, want int) {
	d.t.Helper()
	resp, err := http.Post(d.base+"/servers/"+server+"/"+action, "", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		d.t.Fatalf("%s %s: %d %.500s, want %d", action, server, resp.StatusCode, body, want)
	}
}

// await waits for a state.
func (d *demo) await(what string, ok func(state) bool) state {
	d.t.Helper()
	s := d.state()
	for deadline := time.Now().Add(waitTime); !ok(s); s = d.state() {
		if time.Now().After(deadline) {
			d.t.Fatalf("still not so: %s: %+v", what, s.Nodes)
		}
		time.Sleep(pollPause)
	}
	return s
}

// served waits until a number of answers more were checked: the visitors are served. Whatever happens, nothing may be lost.
func (d *demo) served(more int) {
	d.t.Helper()
	begin := d.state().Checker
	s := d.await("visitors are served", func(s state) bool {
		return s.Checker.Checks >= begin.Checks+more && s.Checker.Acknowledged > begin.Acknowledged
	})
	d.nothingLost(s)
}

func (d *demo) nothingLost(s state) {
	d.t.Helper()
	if c := s.Checker; c.SessionsLost+c.ChangesLost+c.Undone > 0 {
		d.t.Fatalf("%d sessions lost, %d changes lost, %d logouts undone", c.SessionsLost, c.ChangesLost, c.Undone)
	}
}

// back waits until all nodes read from Redis and have carried everything back.
func (d *demo) back() {
	d.t.Helper()
	d.await("all nodes are back on Redis", func(s state) bool {
		for _, n := range s.Nodes {
			if !n.Serves || !n.Believed || !n.FastUp || !n.Durable || n.Open > 0 {
				return false
			}
		}
		return len(s.Nodes) == 3
	})
}
