// Package life holds the tests of what a session's life depends on, on real servers: renewal and visitors that are not to
// be stored.
package life
