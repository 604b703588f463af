package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// server is a Redis or MariaDB that runs as a child process, on loopback, with all its files in one folder.
type server struct {
	Name  string // as in URLs
	Title string // as people read it

	program string
	args    []string
	dir     string
	addr    string
	hello   string       // what has to be said to it before it says something
	prepare func() error // makes what it needs to start
	clear   func() error // removes what it has stored; nil if that may not be

	lifecycle sync.Mutex // held while it starts or is ended

	mu    sync.Mutex
	child *exec.Cmd // nil while there is none
	ended chan struct{}
	state string
}

// The states of a server.
const (
	running  = "running"
	stopped  = "stopped"
	starting = "starting"
	down     = "down"
)

// readyTime is how long a server may take until it answers.
const readyTime = 30 * time.Second

// State returns the state. It does not ask the server.
func (s *server) State() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// do carries out what a button of the page says.
func (s *server) do(ctx context.Context, action string) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	switch action {
	case "kill":
		s.kill()
		return nil
	case "stop":
		return s.signal(freeze, running, stopped)
	case "continue":
		return s.signal(thaw, stopped, running)
	case "restart":
		s.kill()
		return s.start(ctx)
	case "restart-empty":
		if s.clear == nil {
			return fmt.Errorf("%s is what must not lose anything: it is not restarted empty", s.Title)
		}
		s.kill()
		return errors.Join(s.clear(), s.start(ctx))
	}
	return fmt.Errorf("there is no %q", action)
}

// signal sends a signal to a server in one state, after which it is in another one.
func (s *server) signal(send func(*os.Process) error, before, after string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != before {
		return fmt.Errorf("%s is %s", s.Title, s.state)
	}
	if err := send(s.child.Process); err != nil {
		return err
	}
	s.state = after
	return nil
}

// kill ends the server without giving it time to write anything.
func (s *server) kill() {
	s.mu.Lock()
	child, ended := s.child, s.ended
	s.mu.Unlock()
	if child == nil {
		return
	}
	_ = child.Process.Kill() // else it has ended by itself
	<-ended
}

// end is kill for good.
func (s *server) end() {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	s.kill()
}

// start starts the server, which is down, and waits until it answers.
func (s *server) start(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "output"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.program, s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, childAttr()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.mu.Lock()
	s.child, s.ended, s.state = cmd, ended, starting
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait() // a killed server is no error
		s.mu.Lock()
		s.child, s.state = nil, down
		s.mu.Unlock()
		close(ended)
	}()
	if err := s.ready(ctx, ended); err != nil {
		s.kill()
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s does not start: %w\n%s", s.Title, err, said[max(0, len(said)-2000):])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return fmt.Errorf("%s has ended at once", s.Title)
	}
	s.state = running
	return nil
}

// ready waits until the server answers.
func (s *server) ready(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		err := s.greet()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ended:
			return errors.New("it has ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) greet() error {
	conn, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // else the read does not return
	if _, err := conn.Write([]byte(s.hello)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// freePort returns a port on which nobody listened a moment ago. It is none of those that systems give to connections: a
// server has to get it again when it is restarted.
func freePort() (int, error) {
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("there is no free port from 20000 to 29999")
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }
