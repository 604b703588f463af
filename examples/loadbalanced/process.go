package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 5 * time.Second // after it, a node is killed
)

// process is a node that runs as a child process: this program again, as a server. A child lives while its standard input is
// open. So it ends in good order when it is told to, and, on every operating system, when this process dies in
// any way.
type process struct {
	framework string
	listen    string
	store     string

	lifecycle sync.Mutex // held while the node starts or stops

	mu      sync.Mutex
	address string // empty while the node is down
	stdin   io.Closer
	command *exec.Cmd
	ended   chan struct{} // closed when the child is gone
}

// Name returns the name of the node.
func (p *process) Name() string { return nodeName(p.framework) }

// Address returns where the node listens, empty while it is down.
func (p *process) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// Start starts the child and waits until it listens.
func (p *process) Start(ctx context.Context) error {
	p.lifecycle.Lock()
	defer p.lifecycle.Unlock()
	if p.Address() != "" {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "-node", p.framework, "-addr", p.listen)
	cmd.Env = append(os.Environ(), storeVariable+"="+p.store) // not an argument: every user of the machine sees those
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	stopWatching := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n') // the child says where it listens
	if !stopWatching() || err != nil {
		_ = stdin.Close()
		_ = cmd.Wait()
		return fmt.Errorf("%s did not start", p.Name())
	}
	p.run(cmd, stdin, strings.TrimSpace(line))
	return nil
}

// run notes that the node is up, until the child is gone.
func (p *process) run(cmd *exec.Cmd, stdin io.Closer, address string) {
	ended := make(chan struct{})
	p.mu.Lock()
	p.command, p.stdin, p.address, p.ended = cmd, stdin, address, ended
	p.mu.Unlock()
	go func() {
		_ = cmd.Wait() // its own last words are on standard error
		p.mu.Lock()
		p.address = ""
		p.mu.Unlock()
		close(ended)
	}()
}

// Stop takes the node out of the balancer's choice, lets the child finish its requests, and waits for its end.
func (p *process) Stop() {
	p.lifecycle.Lock()
	defer p.lifecycle.Unlock()
	if p.ended == nil {
		return
	}
	p.mu.Lock()
	p.address = ""
	p.mu.Unlock()
	_ = p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill()
		<-p.ended
	}
	p.ended = nil
}
