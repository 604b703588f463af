package child

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Mounting starts a child that runs one test, with mounts of its own, which end with it: it may mount what it likes below its
// folders, without being root outside.
func Mounting(t testing.TB, test string, env ...string) *Child {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return start(t, &exec.Cmd{Args: []string{"-test.v", "-test.run=^" + test + "$"}, SysProcAttr: attr}, env)
}
