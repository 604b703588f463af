// Package child runs the test program once more, as a process of its own that tests can kill and stop. What it does there
// its TestMain decides by the environment; the two talk in lines.
package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Child is a process.
type Child struct {
	// Lines are what the child says. It is closed when the child has ended.
	Lines chan string

	t   testing.TB
	cmd *exec.Cmd
	in  *os.File
}

// Start starts a child with more in its environment than the test has. It ends with the test.
func Start(t testing.TB, env ...string) *Child {
	t.Helper()
	return start(t, &exec.Cmd{}, env)
}

// start starts a child with the arguments and attributes that it is to have.
func start(t testing.TB, cmd *exec.Cmd, env []string) *Child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	input, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &Child{t: t, cmd: cmd, in: in, Lines: make(chan string, 1<<16)}
	cmd.Path, cmd.Args = program, append([]string{program}, cmd.Args...)
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdin, c.cmd.Stderr = input, os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = input.Close()
	go func() {
		defer close(c.Lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			c.Lines <- scan.Text()
		}
	}()
	t.Cleanup(func() { c.Kill() })
	return c
}

// Say sends the child a line.
func (c *Child) Say(format string, args ...any) { _, _ = fmt.Fprintf(c.in, format+"\n", args...) }

// Hears returns the next line that the child says.
func (c *Child) Hears() string {
	c.t.Helper()
	select {
	case line := <-c.Lines:
		return line
	case <-time.After(time.Minute):
		c.t.Fatal("the child says nothing")
		return ""
	}
}

// Expect ends the test unless the child says this next.
func (c *Child) Expect(want string) {
	c.t.Helper()
	if got := c.Hears(); got != want {
		c.t.Fatalf("the child says %q, want %q", got, want)
	}
}

// Signal sends the child a signal.
func (c *Child) Signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// Kill ends the child at once, also one that is stopped, and waits until it is gone. What it has said and nobody has read is
// dropped.
func (c *Child) Kill() {
	c.Signal(syscall.SIGKILL)
	_ = c.in.Close()
	for range c.Lines {
	}
	_ = c.cmd.Wait()
}

// EndInput lets the child read the end of its input.
func (c *Child) EndInput() { _ = c.in.Close() }
