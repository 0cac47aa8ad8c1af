package capacity

import "math"

// A belief is what the probes so far say about the limit: a probability for
// each pair of a limit and a spread.
//
// A window at rate r keeps the objective with the probability
//
//	λ/2 + (1−λ) Φ((θ − ln r) / σ)
//
// θ is the logarithm of the limit, the rate at which it is as likely kept as
// not; σ is how much that moves from window to window, by chance and by the
// mood of the host; λ is the share of windows whose answer means nothing. None
// of them is known. The posterior of θ and σ on a grid is exact up to the grid,
// and takes microseconds to update.
//
// With σ = 0 this is Horstein's probabilistic bisection (1963), whose questions
// are answered wrongly with one known probability wherever they are asked.
// Near the limit of a server every answer is a coin toss and far from it none
// is, which is the case of a sensory threshold: the model is the psychometric
// function of QUEST (Watson and Pelli 1983) with its slope unknown, as in
// Kontsevich and Tyler's method (1999). Rodriguez and Ludkovski (2020) treat
// the same as probabilistic bisection with an accuracy that is unknown and
// depends on the place.
type belief struct {
	low  float64     // θ of the first cell
	mass [][]float64 // by σ, then θ; all sum up to 1
}

const (
	cell  = 0.004          // of the grid, a ratio of 0.4 %
	below = 6.9            // the grid reaches from a thousandth of the first guess
	above = 1.4            // to four times of it
	cells = (69 + 14) * 25 // (below+above)/cell
	lapse = 0.04           // λ

	// The first guess is the throughput of the closed loop. Servers keep
	// reasonable objectives up to a good part of it, and hardly beyond: the
	// prior falls by these powers of the ratio to it.
	priorBelow = 1.5
	priorAbove = 6.0
)

// spreads are the values of σ, from a limit like an edge to a wild one.
var spreads = [...]float64{0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3}

// newBelief returns what is believed before any probe, guess being a rate.
func newBelief(guess float64) *belief {
	b := &belief{low: math.Log(guess) - below}
	for range spreads {
		row := make([]float64, cells)
		for i := range row {
			if off := float64(i)*cell - below; off < 0 {
				row[i] = math.Exp(priorBelow * off)
			} else {
				row[i] = math.Exp(-priorAbove * off)
			}
		}
		b.mass = append(b.mass, row)
	}
	b.normalise()
	return b
}

func (b *belief) normalise() {
	sum := 0.0
	for _, row := range b.mass {
		for _, m := range row {
			sum += m
		}
	}
	for _, row := range b.mass {
		for i := range row {
			row[i] /= sum
		}
	}
}

// tell updates the belief by the answer of one window.
func (b *belief) tell(rate float64, kept bool) {
	at := int(math.Floor((math.Log(rate) - b.low) / cell)) // the rate's cell, also outside of the grid
	at = min(max(at, 0), cells-1)
	for k, row := range b.mass {
		p := keeps[k][cells-1-at:]
		for i := range row {
			if kept {
				row[i] *= p[i]
			} else {
				row[i] *= 1 - p[i]
			}
		}
	}
	b.normalise()
}

// keeps holds for each spread the probability that a window keeps the
// objective, by how many cells the limit is above the rate, from 1−cells on.
var keeps = func() (p [len(spreads)][2*cells - 1]float64) {
	for k, spread := range spreads {
		for i := range p[k] {
			p[k][i] = lapse/2 + (1-lapse)*normal(float64(i+1-cells)*cell/spread)
		}
	}
	return p
}()

// normal is the distribution function of the standard normal distribution.
func normal(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// quantile returns the rate that the limit is below with probability p.
func (b *belief) quantile(p float64) float64 {
	sum := 0.0
	for i := range cells {
		m := 0.0
		for _, row := range b.mass {
			m += row[i]
		}
		if sum+m >= p && m > 0 {
			return math.Exp(b.low + (float64(i)+(p-sum)/m)*cell)
		}
		sum += m
	}
	return math.Exp(b.low + float64(cells)*cell)
}

// mass is how much of the probability the interval holds that is said to cover the
// limit in 95 % of searches. The model takes windows for alike and independent,
// which drifting hosts and queues that remember are not; the tests simulate what
// the interval covers.
const mass = 0.99

// interval returns the bounds of the limit.
func (b *belief) interval() (low, high float64) {
	return b.quantile((1 - mass) / 2), b.quantile((1 + mass) / 2)
}

// width is half of the 68 % interval of θ: its standard deviation, were it
// normal.
func (b *belief) width() float64 { return math.Log(b.quantile(0.84)/b.quantile(0.16)) / 2 }

// spread is the geometric mean of σ.
func (b *belief) spread() float64 {
	sum := 0.0
	for k, row := range b.mass {
		for _, m := range row {
			sum += m * math.Log(spreads[k])
		}
	}
	return math.Exp(sum)
}

const (
	wide = 0.15 // width up to which the limit is still being looked for
	// Once it is found, probes alternate between both sides of it, where the
	// answers are a little more telling about σ and hardly less about θ.
	aside    = 0.7 // of σ
	farthest = 0.1
)

// ask returns the rate to probe next: the median, where the answer tells most
// about the side that the limit is on; n is a count of the probes.
func (b *belief) ask(n int) float64 {
	rate := b.quantile(0.5)
	if b.width() > wide {
		return rate
	}
	off := min(aside*b.spread(), farthest)
	if n%2 == 1 {
		off = -off
	}
	return rate * math.Exp(off)
}

// round rounds a rate to one that people read easily and that other probes hit
// as well, so that their histograms merge: in steps of 1 to 2.5 %.
func round(rate float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rate)))
	step := 0.1
	switch m := rate / unit; {
	case m < 2:
		step = 0.02
	case m < 5:
		step = 0.05
	}
	// 1/step is whole, so that the division at the end gives the nearest number
	// to what is meant.
	return math.Round(rate/unit/step) / math.Round(1/step) * unit
}
