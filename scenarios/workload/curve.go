package workload

import (
	"math"
	"time"
)

// Curve is a Schedule over a window: Λ, the number of requests due by a moment,
// and its inverse. Λ is made of straight lines and parabolas; nothing in it is
// a running sum over repetitions, so that it does not drift, however long the
// window.
type Curve struct {
	pieces []piece
	period time.Duration
	total  float64 // requests in a period, above 0
}

type piece struct {
	from, to      float64 // requests per second
	begin         int64   // ns from the start of the period
	length        float64 // s
	area          float64 // requests due in it
	before, after float64 // requests due in the period before it, and with it
}

// Count is Λ(t): how many requests are due before t, as a real number.
func (c *Curve) Count(t time.Duration) float64 {
	t = max(t, 0)
	turns := t / c.period
	left := int64(t % c.period)
	i := len(c.pieces) - 1
	for c.pieces[i].begin > left {
		i--
	}
	p := &c.pieces[i]
	u := float64(left-p.begin) / 1e9
	due := p.from*u + (p.to-p.from)/p.length*u*u/2
	return float64(turns)*c.total + p.before + min(due, p.area)
}

// Mean is the mean rate of a window, in requests per second.
func (c *Curve) Mean(window time.Duration) float64 {
	return c.Count(window) / window.Seconds()
}

// First is the rate at the beginning, in requests per second.
func (c *Curve) First() float64 { return c.pieces[0].from }

// Time is Λ⁻¹(n): when n requests are due. Where that is so for a while, since
// the rate is 0, it is the end of that while: the next request comes with the
// next burst, not at the end of the last.
func (c *Curve) Time(n float64) time.Duration {
	cursor := c.Cursor()
	return time.Duration(cursor.Time(n))
}

// Cursor returns a position on c at its start.
func (c *Curve) Cursor() Cursor { return Cursor{curve: c} }

// Cursor goes along a Curve and looks at each piece once in a period, where
// Curve.Time would search. What it finds depends on nothing but n, so that
// several of them can share a schedule. It allocates nothing.
type Cursor struct {
	curve *Curve
	turn  int64 // periods that have passed
	at    int   // the current piece
}

// Time is Curve.Time in ns, of an n that is not less than the one before.
func (k *Cursor) Time(n float64) int64 {
	c := k.curve
	turn := int64(n / c.total)
	y := n - float64(turn)*c.total
	if y >= c.total { // the division was rounded
		turn++
		y = n - float64(turn)*c.total
	}
	if turn != k.turn {
		k.turn, k.at = turn, 0
	}
	y = max(y, 0)
	for y >= c.pieces[k.at].after {
		k.at++
	}
	p := &c.pieces[k.at]
	return turn*int64(c.period) + p.begin + p.time(y-p.before)
}

// time is when y requests are due, in ns from the beginning of p.
func (p *piece) time(y float64) int64 {
	switch {
	case p.from == p.to:
		return int64(min(y*1e9/p.from, p.length*1e9))
	case p.from < p.to:
		return int64(1e9 * min(p.climb(p.from, y), p.length))
	default: // backwards it climbs as well
		return int64(1e9 * max(0, p.length-p.climb(p.to, p.area-y)))
	}
}

// climb solves low·u + slope·u²/2 = y for u, in s. All terms are positive, so
// that nothing cancels: the usual formula loses half of the digits for a slope
// near 0.
func (p *piece) climb(low, y float64) float64 {
	if y <= 0 {
		return 0
	}
	slope := math.Abs(p.to-p.from) / p.length
	return 2 * y / (low + math.Sqrt(low*low+2*slope*y))
}
