// Package redisstore is what the backends for Redis have in common, whatever client library they use: what is stored and
// under which keys, the scripts, the lock of sessions, the meaning of errors, and the URLs. So exchanging one backend for
// another keeps every session, every lock and every configuration.
//
// A backend implements Conn, and offers a Store under its own name. See package goredis for what users are told.
//
// # Errors
//
// Those of package session; see Conn for what a client has to return.
//
// # Concurrency
//
// A Store is safe for concurrent use by any number of goroutines and processes.
package redisstore
