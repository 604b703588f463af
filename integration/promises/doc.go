// Package promises holds the tests of what Nonstick promises, for each store and each framework, on real servers. They
// count commands, keys and lost updates; nothing here depends on a time, except where a bound in time is the promise.
package promises
