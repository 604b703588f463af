// Package locks holds the tests of Exclusive sessions on a real Redis: nodes are processes that are killed and stopped
// while they hold a lock or wait for one, and so is the server. Module bench measures throughput, fairness and cost beside
// lock libraries.
package locks
