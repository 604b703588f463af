//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Some tests need other processes. They run this test binary again, which then runs one of these functions instead of the
// tests and prints what it returns.
const childEnv = "FILESTORE_TEST_CHILD"

func children() map[string]func(dir string) error {
	return map[string]func(dir string) error{
		"unwritable":          childUnwritable,
		"increment, one of 2": func(dir string) error { return childIncrement(dir, 2) },
		"increment, one of 4": func(dir string) error { return childIncrement(dir, 4) },
		"writer":              func(dir string) error { return childWriter(dir, false) },
		"writer, not synced":  func(dir string) error { return childWriter(dir, true) },
		"count in place":      childCountInPlace,
		"holder":              childHolder,
		"lock and increment":  childLockIncrement,
		"lock":                childLock,
		"wait for a lock":     childWaitLock,
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(childEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	run := children()[name]
	if run == nil {
		run = linuxChildren()[name]
	}
	if err := run(os.Args[len(os.Args)-1]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is another process.
type child struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	errs bytes.Buffer
}

// startChild runs one of children in another process, which does not outlive the test.
func startChild(t *testing.T, name, dir string, change ...func(*exec.Cmd)) *child {
	t.Helper()
	c, err := tryChild(t, name, dir, change...)
	must(t, err)
	return c
}

func tryChild(t *testing.T, name, dir string, change ...func(*exec.Cmd)) (*child, error) {
	exe, err := os.Executable()
	must(t, err)
	c := &child{cmd: exec.Command(exe, dir)}
	c.cmd.Env = append(os.Environ(), childEnv+"="+name)
	c.cmd.Stderr = &c.errs
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.out = bufio.NewReader(out)
	for _, f := range change {
		f(c.cmd)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c, nil
}

// line awaits a line from the child.
func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("read from child: %v; it said %q and %s", err, line, c.errs.String())
	}
	return line
}

// wait awaits the child's end and returns what it printed.
func (c *child) wait(t *testing.T) string {
	t.Helper()
	out, err := io.ReadAll(c.out)
	must(t, err)
	if err := c.cmd.Wait(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatalf("wait for child: %v", err)
		}
	}
	return string(out) + c.errs.String()
}

func (c *child) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	must(t, c.cmd.Process.Signal(sig))
}
