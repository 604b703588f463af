//go:build race

package fallback_test

// slowdown is by how much the race detector slows a simulation down, which has nothing to race: one goroutine runs at a time.
const slowdown = 20
