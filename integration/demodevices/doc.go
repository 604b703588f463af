// Package demodevices tests examples/devices as its users meet it: with two browsers.
package demodevices
