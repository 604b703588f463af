// Package examples holds runnable applications, one folder each: nethttp, gin, echo and fiber are the shortest useful
// program for each framework, swap is one program on two client libraries for Redis, loadbalanced runs all three
// frameworks behind one balancer, fallback starts and kills Redis and MariaDB under three nodes,
// devices shows users where they are logged in.
package examples
