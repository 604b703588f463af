package servers

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// instance is one server, whatever it runs in.
type instance interface {
	// start starts the server, the first time or after it ended, and returns without waiting for its answer.
	start() error
	// alive reports whether the server runs, stopped or not.
	alive() bool
	// signal sends SIGSTOP, SIGCONT or SIGKILL. After SIGKILL it returns when the server is gone.
	signal(s syscall.Signal) error
	// remove ends the server and leaves nothing behind.
	remove()
	// output returns what the server has written so far.
	output() string
}

// spec says what to run.
type spec struct {
	name  string   // of the program in its image
	path  string   // of the program on this machine, or its name in PATH
	get   string   // the command that gets it
	image string   // the container image that holds it
	args  []string // of the program
	dir   string   // its files; a container sees them under the same path
	port  int      // where it listens, in a container on all addresses; 0 for a unix socket

	onHost bool // a container uses the network of the host, so that servers find each other on loopback
}

func containers() bool { return os.Getenv("NONSTICK_TEST_CONTAINERS") == "1" }

func newInstance(t testing.TB, s spec) instance {
	t.Helper()
	if containers() {
		return newContainer(t, s)
	}
	return newProcess(t, s)
}

// listenHost is the address that a server must listen on for its instance to be reachable on loopback.
func listenHost() string {
	if containers() {
		return "0.0.0.0" // of the container; it is published on 127.0.0.1 only
	}
	return "127.0.0.1"
}

// freePort returns a port that nobody listened on a moment ago. Somebody else may take it before the server does: callers
// try another one when the server ends at once.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}
