package main

import (
	"os/exec"
	"syscall"
)

// tie makes the kernel end a server when this process ends, however it does.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
