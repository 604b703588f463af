package main

import "syscall"

// childAttr makes a child end with this process however that ends, and keeps a terminal's Ctrl-C from it: this process says
// when it has to go.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
