// Package demo tests examples/loadbalanced as its users meet it: as a program, with an HTTP client, on files and on a real
// Redis, and with a browser.
package demo
