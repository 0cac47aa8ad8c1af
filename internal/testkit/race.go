//go:build race

package testkit

// Race tells whether the race detector is on, under which speed and allocations
// tell nothing.
const Race = true
