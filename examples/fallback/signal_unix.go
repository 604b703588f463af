//go:build unix

package main

import (
	"os"
	"syscall"
)

// freeze stops a process: its connections stay open, and nothing is answered. thaw lets it go on.
func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error   { return p.Signal(syscall.SIGCONT) }
