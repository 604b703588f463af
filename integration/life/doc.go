// Package life holds the tests of what a session's life depends on, on real servers: renewal, visitors that are not to
// be stored, and options that change while visitors come.
package life
