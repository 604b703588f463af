package demofallback_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The places of state.Traffic.
const (
	atNode = iota
	atRedis
	atMariaDB
)

// TestButtons presses all buttons, with visitors who stay with one node: even both servers may go away at once.
func TestButtons(t *testing.T) {
	t.Parallel()
	d := start(t, "-visitors", "20", "-rate", "80")
	d.back()
	d.readsFrom(atRedis)

	d.press("redis", "kill", 200)
	d.await("no node believes Redis", func(s state) bool { return !s.Nodes[0].Believed && !s.Nodes[1].Believed && !s.Nodes[2].Believed })
	d.served(30)
	d.readsFrom(atMariaDB)
	d.press("redis", "restart", 200) // with an older snapshot, or none
	d.back()

	d.press("mariadb", "stop", 200)
	d.press("mariadb", "stop", 409) // it is stopped already
	d.await("changes without MariaDB", func(s state) bool { return s.Nodes[0].Open+s.Nodes[1].Open+s.Nodes[2].Open > 0 })
	d.served(30)
	d.press("redis", "kill", 200)
	d.served(30)
	d.readsFrom(atNode)
	d.press("redis", "restart-empty", 200)
	d.press("mariadb", "continue", 200)
	d.back()

	d.press("mariadb", "kill", 200) // both at once
	d.press("redis", "kill", 200)
	d.served(30)
	d.press("mariadb", "restart", 200)
	d.press("redis", "restart", 200)
	d.back()
	d.served(30)
	d.readsFrom(atRedis)

	d.press("mariadb", "restart-empty", 409) // it is what must not lose anything
	d.press("redis", "explode", 409)
	d.press("oracle", "kill", 404)
	d.end()
}

// TestRoam sends each request to the next node, as long as both servers are well.
func TestRoam(t *testing.T) {
	t.Parallel()
	d := start(t, "-visitors", "10", "-rate", "40", "-roam")
	d.await("visitors go to any node", func(s state) bool { return !s.Sticky })
	d.served(30)
	d.press("redis", "stop", 200)
	d.await("visitors stay with a node", func(s state) bool { return s.Sticky })
	d.served(20)
	d.press("redis", "continue", 200)
	d.back()
	d.await("visitors go to any node again", func(s state) bool { return !s.Sticky })
	d.press("redis", "restart", 200)
	d.served(20)
	d.press("mariadb", "restart", 200)
	d.served(20)
	d.back()
	d.nothingLost(d.state())
}

// readsFrom waits until reads of a second were answered by one place.
func (d *demo) readsFrom(place int) {
	d.t.Helper()
	d.await("reads are answered by one place", func(s state) bool {
		reads := s.Traffic.Seconds[len(s.Traffic.Seconds)-1].Reads
		return reads[place] > 0 && reads[place] >= 2*(reads[0]+reads[1]+reads[2]-reads[place])
	})
}

// end presses Ctrl-C while a server stands still, and wants nothing to be left.
func (d *demo) end() {
	d.t.Helper()
	d.press("redis", "stop", 200)
	if !strings.Contains(d.children(), "redis") {
		d.t.Error("Redis cannot be seen to run")
	}
	last := d.state()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-d.gone:
	case <-time.After(waitTime):
		d.t.Fatal("the demo does not end")
	}
	if err := <-d.exited; err != nil {
		d.t.Errorf("the demo ended with %v, want exit code 0", err)
	}
	if left := d.children(); left != "" {
		d.t.Errorf("processes are left:\n%s", left)
	}
	if left, err := os.ReadDir(d.temp); err != nil || len(left) > 0 {
		d.t.Errorf("left in the folder for temporary files: %v %v", left, err)
	}
	if _, err := http.Get(d.base + "/state"); err == nil {
		d.t.Error("somebody still listens")
	}
	out := d.output()
	if !strings.HasSuffix(out, ": 0 sessions lost, 0 changes lost, 0 logouts undone\n") || strings.Count(out, "\n") != 1 {
		d.t.Errorf("the last words are %q, want one line", out)
	}
	d.t.Logf("%s%d of %d requests refused", out, last.Traffic.Total.Errors, last.Traffic.Total.Requests)
}

// children returns the command lines of the servers, which all have the demo's folder in them. It is Linux that has them in
// /proc, and that ends children with their parent.
func (d *demo) children() string {
	d.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		d.t.Fatal(err)
	}
	var found strings.Builder
	for _, f := range files {
		line, _ := os.ReadFile(f) // it may have ended since
		if strings.Contains(string(line), d.temp+"/") {
			found.WriteString(strings.ReplaceAll(string(line), "\x00", " ") + "\n")
		}
	}
	return found.String()
}

// TestKilled kills the demo itself: its servers end with it.
func TestKilled(t *testing.T) {
	t.Parallel()
	d := start(t, "-visitors", "0")
	d.press("mariadb", "stop", 200)
	if n := strings.Count(d.children(), "\n"); n < 2 {
		t.Fatalf("%d processes of servers, want both:\n%s", n, d.children())
	}
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.gone
	for deadline := time.Now().Add(waitTime); d.children() != ""; time.Sleep(pollPause) {
		if time.Now().After(deadline) {
			t.Fatalf("processes are left:\n%s", d.children())
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", "0.0.0.0:0"}, "on loopback only"},
		{[]string{"-listen", ":0"}, "on loopback only"},
		{[]string{"-listen", "8081"}, "-listen"},
		{[]string{"-visitors", "-1"}, "-visitors"},
		{[]string{"-rate", "0"}, "-rate"},
		{[]string{"-rate", "NaN"}, "-rate"},
		{[]string{"redis://"}, "only flags"},
		{[]string{"-listen", "127.0.0.1:0", "-mariadb", "/nowhere/mariadb-10.11"}, "Get it with: scripts/servers mariadb-10.11"},
	} {
		d, out := launch(t, tt.args...)
		go func() {
			_, _ = io.Copy(d, out)
			d.exited <- d.cmd.Wait()
			close(d.gone)
		}()
		<-d.gone
		if err := <-d.exited; err == nil || d.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(d.output(), tt.want) {
			t.Errorf("%v: ends with %v and says %q, want exit code 1 and %q", tt.args, err, d.output(), tt.want)
		}
		if left, err := os.ReadDir(d.temp); err != nil || len(left) > 0 {
			t.Errorf("%v: left in the folder for temporary files: %v %v", tt.args, left, err)
		}
	}
}
