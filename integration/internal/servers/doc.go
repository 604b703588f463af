// Package servers starts real servers for tests: as child processes on loopback, or in containers when the environment
// variable NONSTICK_TEST_CONTAINERS is 1. A test cannot tell which, and both are gone when the test ends.
//
// The nodes of a cluster must find each other on loopback: their containers use the network of the host.
//
// A server that is missing fails the test with the command that gets it; nothing is skipped. The program of a [Server] is
// bin/servers/NAME in the repository, where scripts/servers puts it; for Redis 7.0 also the redis-server in PATH.
//
// # Faults
//
// Stop and Continue freeze and thaw a server (SIGSTOP, SIGCONT), Kill ends it without a goodbye (SIGKILL), Restart starts
// it again at the same address with the files that it left behind.
//
// # Environment
//
//	NONSTICK_TEST_CONTAINERS  1: containers by testcontainers-go, else child processes
//	NONSTICK_TEST_SERVER      for tests that name no Server, default redis-7.0; in containers redis-8.0
//	NONSTICK_REDIS7_IMAGE     image for Redis 7.0, default redis:7.0
//	NONSTICK_REDIS_IMAGE      image for Redis 8, default redis:8
//	NONSTICK_VALKEY_IMAGE     image for Valkey 8, default valkey/valkey:8
//	NONSTICK_MARIADB10_IMAGE  image for MariaDB 10.11, default mariadb:10.11
//	NONSTICK_MARIADB_IMAGE    image for MariaDB 11, default mariadb:11.8
package servers
