// Package memstore keeps sessions in the memory of one process. It is the reference implementation of
// session.Handler: for tests, for programs that run as one process and may lose their sessions at a restart, and to read.
//
// # URLs
//
//	memory://                      no limits
//	memory://?max_sessions=100000  Options.MaxSessions
//	memory://?max_bytes=65536      Options.MaxBytes
//
// There is no host and no path, and every other parameter is an error. Each Open makes a store of its own that shares
// nothing with any other; to share one, share the Handler among
// Managers that are closed together: each Close closes it.
//
// # Errors
//
// ErrUnavailable stands for a context that has ended, and for a store that holds MaxSessions sessions. ErrCorrupt never
// occurs.
//
// # Concurrency
//
// The store is split into 64 parts by session id. A part is locked for a few map and heap steps, never while a payload is
// copied. Expired sessions stay in memory until GC removes them, but count as absent from their deadline on.
package memstore
