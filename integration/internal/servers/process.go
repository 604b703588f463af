package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a server that runs as a child of the test.
type process struct {
	spec
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended

	mu  sync.Mutex
	out bytes.Buffer
}

func newProcess(t testing.TB, s spec) *process {
	t.Helper()
	if _, err := exec.LookPath(s.path); err != nil {
		t.Fatalf("%s is missing. Get it with: %s\n"+
			"or set NONSTICK_TEST_CONTAINERS=1 to run it in a container (image %s).", s.path, s.get, s.image)
	}
	return &process{spec: s}
}

func (p *process) start() error {
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = p, p
	cmd.SysProcAttr = dieWithParent() // kill -9 of the test leaves no server behind
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a killed server is no error
		close(done)
	}()
	p.cmd, p.done = cmd, done
	return nil
}

func (p *process) alive() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) error {
	if !p.alive() {
		return fmt.Errorf("%s is not running", p.name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return err
	}
	switch s {
	case syscall.SIGKILL:
		<-p.done
	case syscall.SIGSTOP:
		return p.stopped()
	}
	return nil
}

// stopped waits until every thread stands still: the signal is delivered to one after the other, and one that runs
// meanwhile may answer another call.
func (p *process) stopped() error {
	for end := time.Now().Add(readyTime); ; time.Sleep(time.Millisecond) {
		if standsStill(p.cmd.Process.Pid) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s did not stop", p.name)
		}
	}
}

func (p *process) remove() {
	if p.alive() {
		_ = errors.Join(p.signal(syscall.SIGCONT), p.signal(syscall.SIGKILL)) // it may end in between
	}
}

// Write collects what the server prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}
