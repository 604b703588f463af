// Package servers starts real servers for tests: as child processes on loopback, or in containers when the environment
// variable NONSTICK_TEST_CONTAINERS is 1. A test cannot tell which, and both are gone when the test ends.
//
// The nodes of a cluster must find each other on loopback: their containers use the network of the host.
//
// A server that is not installed fails the test with the command that installs it; nothing is skipped.
//
// # Faults
//
// Stop and Continue freeze and thaw a server (SIGSTOP, SIGCONT), Kill ends it without a goodbye (SIGKILL), Restart starts
// it again at the same address with the files that it left behind.
//
// # Environment
//
//	NONSTICK_TEST_CONTAINERS  1: containers by testcontainers-go, else child processes
//	NONSTICK_REDIS_IMAGE      image for Redis, default redis:8
package servers
