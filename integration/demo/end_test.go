package demo_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestEnd(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			d := start(t)
			d.visitor(t).ok("POST", "/api/visit")
			if err := d.end(s); err != nil {
				t.Errorf("the demo ended with %v, want exit code 0", err)
			}
			d.refuses()
			if left, err := os.ReadDir(d.temp); err != nil || len(left) > 0 {
				t.Errorf("left in the folder for temporary files: %v %v", left, err)
			}
		})
	}
	t.Run("SIGKILL", func(t *testing.T) {
		t.Parallel()
		d := start(t)
		d.visitor(t).ok("POST", "/api/visit")
		_ = d.end(syscall.SIGKILL)
		d.refuses()
	})
}

// refuses checks that nobody listens any more.
func (d *demo) refuses() {
	d.t.Helper()
	for name, base := range d.nodes {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); err == nil {
			_ = conn.Close()
			d.t.Errorf("%s still listens", name)
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"memory", []string{"-store", "memory://"}, "three cannot share it"},
		{"unknown scheme", []string{"-addr", "127.0.0.1:0", "-store", "tape://x"}, "forgotten import?"},
		{"unknown parameter", []string{"-addr", "127.0.0.1:0", "-store", "redis://127.0.0.1:1?colour=red"}, "unknown parameter"},
		{"no address", []string{"-addr", "8080"}, "-addr"},
		{"port of the balancer is taken", []string{"-addr", fmt.Sprint("127.0.0.1:", port)}, "address already in use"},
		{"port of node-echo is taken", []string{"-addr", fmt.Sprint("127.0.0.1:", port-2)}, "node-echo did not start"},
		{"argument", []string{"redis://127.0.0.1:1"}, "only flags"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "port of node-echo is taken" && !free(port-2, port-1) {
				t.Log("the ports before it are taken by others: it fails before node-echo")
				tt.want = "address already in use"
			}
			d, stdout := launch(t, tt.args...)
			line := make([]byte, 100)
			n, _ := stdout.Read(line)
			d.exited <- d.cmd.Wait()
			if err := d.awaitEnd(); err == nil || d.cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit code 1", err)
			}
			if out := d.output(); !strings.Contains(out, tt.want) || n > 0 {
				t.Errorf("says %q and on standard output %q, want %q", out, line[:n], tt.want)
			}
			if left, err := os.ReadDir(d.temp); err != nil || len(left) > 0 {
				t.Errorf("left in the folder for temporary files: %v %v", left, err)
			}
		})
	}
}

// free reports whether nobody listens on the ports.
func free(ports ...int) bool {
	for _, p := range ports {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", p))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// TestPorts asks for a port of its own choice.
func TestPorts(t *testing.T) {
	t.Parallel()
	for port := 20080; port < 20180; port += 4 {
		if !free(port, port+1, port+2, port+3) {
			continue
		}
		d, stdout := launch(t, "-addr", fmt.Sprint("127.0.0.1:", port))
		d.awaitStart(stdout)
		for i, name := range []string{"node-gin", "node-echo", "node-fiber"} {
			if want := fmt.Sprint("http://127.0.0.1:", port+1+i); d.nodes[name] != want {
				t.Errorf("%s listens on %s, want %s", name, d.nodes[name], want)
			}
		}
		if d.visitor(t).ok("POST", "/api/visit").status != http.StatusOK {
			t.Error("no answer")
		}
		return
	}
	t.Fatal("no four free ports")
}
