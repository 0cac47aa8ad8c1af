package plan

import (
	"cmp"
	"iter"
	"time"
)

// Due yields when the requests of an open run with c are due, from the
// beginning of its window on. Those of a warm-up that took as long as given
// come first, at negative times. It is what Run offers for the same Config,
// for those who want to know what a model makes of the very same arrivals.
func (c Config) Due(warmup time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		if len(c.Requests) == 0 {
			c.Requests = []Request{{Weight: 1}}
		}
		c.Model = Open
		c.Arrivals = cmp.Or(c.Arrivals, Constant)
		c.Seed = cmp.Or(c.Seed, 1)
		for _, part := range []struct {
			stream        uint64
			origin, until time.Duration
		}{{StreamWarmup, -warmup, 0}, {0, 0, c.Duration}} {
			s := NewTimetable(&c, part.stream, 0, 1)
			for {
				ns, _ := s.Due()
				at := part.origin + time.Duration(ns)
				if at >= part.until {
					break
				}
				if !yield(at) {
					return
				}
				s.Next()
			}
		}
	}
}
