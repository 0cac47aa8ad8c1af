package load

import "time"

// StartServer starts another process that serves: "null", or "plain".
var StartServer = startServer

// MustSee, MustRun and Something are for the tests against real servers.
var MustSee, MustRun, Something = mustSee, mustRun, something

// Due is when the requests of a window of c are due, from its start.
func Due(c Config) ([]time.Duration, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	var due []time.Duration
	for s := newSchedule(&c, 0, 0, 1); ; s.next() {
		at, _ := s.due()
		if at >= int64(c.Duration) {
			return due, nil
		}
		due = append(due, time.Duration(at))
	}
}
