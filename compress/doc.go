// Package compress has methods for session.Compression that are faster than gzip, which package session brings, or that
// other programs use.
//
//	sessions, err := session.New(store, session.Options{
//		Compression: session.Compression{Method: compress.Zstd(), Reads: compress.All()},
//	})
//
// What is stored says how it was compressed. So Method can be changed at any time, provided that every node has the methods
// of all in Reads.
//
// Which one: Zstd makes sessions a little smaller than gzip does, in less than half the time; LZ4 and Snappy take a quarter of
// that, and save less; LZF is for those who share data with programs that have it. docs/security.md has a table.
//
// # Errors
//
// What cannot be decompressed, or is larger than it says, is an error and costs no more memory than it says.
//
// # Concurrency
//
// All methods are safe for concurrent use.
package compress
