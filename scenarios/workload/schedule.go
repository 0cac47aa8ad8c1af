package workload

import (
	"strconv"
	"strings"
	"time"
)

// Schedule is the rate of an open loop as it changes over time: a row of segments
// that repeats until the window is over. It has at least one segment, and a rate
// above 0 somewhere.
//
//	2000                            all the time
//	100..5000                       from 100 to 5000 over the whole window
//	1000@5s,2000@5s,1000..5000@10s  steps and a ramp, again and again
//	500@900ms,5000@100ms            bursts
//
// A Schedule is what was written; a Curve is that over a window, with the
// number of requests due by any moment and the moment by which any number is
// due. It knows no clock and no server.
type Schedule []Segment

// Segment is a time in which the rate changes evenly, or not at all. Rates are
// in requests per second.
type Segment struct {
	From, To float64
	Duration time.Duration // 0 in a Schedule of one segment: the whole window
}

// String is the canonical text: ParseSchedule returns the same Schedule for it.
func (p Schedule) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(rateDigits(s.From))
		if s.To != s.From {
			b.WriteString(".." + rateDigits(s.To))
		}
		if s.Duration > 0 {
			b.WriteString("@" + s.Duration.String())
		}
	}
	return b.String()
}

func rateDigits(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }

// Constant returns the rate if it is the same all the time.
func (p Schedule) Constant() (rate float64, ok bool) {
	for _, s := range p {
		if s.From != p[0].From || s.To != s.From {
			return 0, false
		}
	}
	return p[0].From, true
}

// Peak is the highest rate.
func (p Schedule) Peak() float64 {
	peak := 0.0
	for _, s := range p {
		peak = max(peak, s.From, s.To)
	}
	return peak
}

// Over lays p over a window, which must be positive.
func (p Schedule) Over(window time.Duration) *Curve {
	c := &Curve{pieces: make([]piece, len(p))}
	for i, s := range p {
		if s.Duration == 0 {
			s.Duration = window
		}
		q := &c.pieces[i]
		*q = piece{from: s.From, to: s.To, begin: int64(c.period), length: s.Duration.Seconds(), before: c.total}
		q.area = (s.From + s.To) / 2 * float64(s.Duration) / 1e9 // in this order: 5000/s for 100 ms are 500, exactly
		c.period += s.Duration
		c.total += q.area
		q.after = c.total
	}
	return c
}
