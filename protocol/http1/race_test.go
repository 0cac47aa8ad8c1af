//go:build race

package http1_test

// Under the race detector a sync.Pool drops things at random.
const raceEnabled = true
