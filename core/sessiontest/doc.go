// Package sessiontest tests what others build on package session.
//
// Run checks a backend, which is a session.Handler, against every rule of the contract; Failures does the same and
// returns what failed, so that a suite can itself be tested. RunAdapter checks an adapter of a web framework, on real
// connections; AdapterFailures returns what failed. Faulty wraps a Handler for tests of what lies above it: it
// makes calls fail, lose their replies, or wait.
//
// The package uses the standard library only. Each case states the rule that it enforces, and prints it when it fails.
//
// # Concurrency
//
// Cases run in parallel and draw random session ids, so they need no empty store. Only GC is compared with the number of
// expired sessions: nothing else may remove those while a suite runs.
package sessiontest
