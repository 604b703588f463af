//go:build !race

package fallback_test

const slowdown = 1
