//go:build unix && !linux

package servers

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// standsStill takes a signal that was sent for delivered.
func standsStill(int) bool { return true }
