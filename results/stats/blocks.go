package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Blocks are the figures of several targets in the rounds of a plan: a
// randomised block design. The targets of one round are measured next to each
// other in random order, so what the host does to a round it does to all of
// them alike, and the ratio of two targets within a round is free of it.
//
// That is why Blocks and not Welch compares the targets of one run. On a
// shared machine the level of everything drifts by a factor of two or three
// within a run; Welch counts that drift as noise of each target and sees
// nothing smaller, though the drift hits both sides of every ratio. Welch
// remains right for two runs, whose rounds have nothing in common.
//
// A difference of two targets has to pass two tests. One takes the noise from
// all pairs of targets together, the residual mean square of the two-way layout:
// with three rounds a pair alone has two degrees of freedom, which among nine
// targets asks for thirty standard errors, the table has sixteen and asks for
// four. It leans on targets that are about equally noisy. The other takes the
// pair's own noise and degrees of freedom, and so holds however erratic the two
// are; it asks for less than all pairs would, since few targets are. The
// interval is the wider one of both.
//
// Rounds may depend on each other, beyond the drift that they share: a target
// that was slow stays slow for a while. That makes the mean over rounds noisier
// than their scatter says. The correlation of successive rounds is estimated from
// all targets, and widens what it has to (dependence.go).
//
// Rejected: pairs by themselves (honest and blind at three rounds), Welch on
// figures relative to the round (four degrees of freedom at best), signs and
// permutations (three rounds have too few to reach 5 %), the larger one of both
// variances with the smaller degrees of freedom (of one erratic target among
// nine it loses the best in 9 % of runs).
type Blocks struct {
	logs       [][]float64 // target × round; NaN without a figure
	known      []bool      // the target shares MinTrials rounds with another one
	erratic    []bool      // the target is noisier than the others beyond doubt; its noise is not in pooled
	pooled, df float64     // variance of a log difference within a round
	rho        float64     // correlation of successive rounds
	depends    bool        // beyond chance
	confidence float64

	quantiles map[[2]float64]float64 // of Student's t, by probability and degrees of freedom
}

// NewBlocks takes x[target][round] and the confidence (0.95 is 95 %) of what
// is derived from it. Rows may differ in length. A figure that is not positive
// and finite is missing: its round is left out of that target's ratios, and a
// ratio of fewer than MinTrials rounds is not known.
func NewBlocks(x [][]float64, confidence float64) *Blocks {
	rounds := 0
	for _, row := range x {
		rounds = max(rounds, len(row))
	}
	b := &Blocks{logs: make([][]float64, len(x)), known: make([]bool, len(x)), confidence: confidence, quantiles: map[[2]float64]float64{}}
	for i, row := range x {
		b.logs[i] = make([]float64, rounds)
		for r := range rounds {
			b.logs[i][r] = math.NaN()
			if r < len(row) && row[r] > 0 && !math.IsInf(row[r], 1) {
				b.logs[i][r] = math.Log(row[r])
			}
		}
	}
	for i := range x {
		for j := range i {
			if len(b.differences(i, j)) >= MinTrials {
				b.known[i], b.known[j] = true, true
			}
		}
	}
	b.rho = b.dependence()
	b.pool()
	return b
}

// pool finds the erratic ones of the targets that are known, and estimates the
// noise of a log difference from the others.
func (b *Blocks) pool() {
	b.erratic = make([]bool, len(b.logs))
	b.pooled, b.df = b.residual(func(int) bool { return true })
	found := make([]bool, len(b.logs))
	for i, known := range b.known {
		found[i] = known && b.noisy(i)
	}
	b.erratic = found
	if v, df := b.residual(func(i int) bool { return !found[i] }); df > 0 {
		b.pooled, b.df = v, df
	}
}

// residual returns the variance of a log difference of two of some known
// targets, from all of their pairs, and its degrees of freedom.
func (b *Blocks) residual(of func(int) bool) (v, df float64) {
	// Over all pairs of a full table the mean of the variances is exactly twice
	// the residual mean square; with gaps it is close.
	sum, weight, cells, rows := 0.0, 0.0, 0, 0
	used := make([]bool, b.Rounds())
	for i, known := range b.known {
		if !known || !of(i) {
			continue
		}
		rows++
		for r, v := range b.logs[i] {
			if !math.IsNaN(v) {
				cells++
				used[r] = true
			}
		}
		for j := range i {
			if d := b.differences(i, j); b.known[j] && of(j) && len(d) >= MinTrials {
				w := float64(len(d) - 1)
				sum, weight = sum+w*Variance(d), weight+w
			}
		}
	}
	if weight == 0 {
		return 0, 0
	}
	columns := 0
	for _, u := range used {
		if u {
			columns++
		}
	}
	return sum / weight, max(MinTrials-1, float64(cells-rows-columns+1))
}

// rounding is a variance of logarithms below which there is no noise.
const rounding = 1e-12

// noisyAt is the chance that any target is taken for erratic though all are
// equally noisy.
const noisyAt = 0.01

// noisy tells whether target i is noisier than the other ones beyond doubt: an
// F-test of its distance to their mean. It takes two others.
func (b *Blocks) noisy(i int) bool {
	rest, df := b.residual(func(j int) bool { return j != i })
	if df == 0 {
		return false
	}
	own, others := b.apart(i)
	if len(own) < MinTrials || others < 2 || Variance(own) < rounding {
		return false
	}
	f := Variance(own) / (1 + 1/float64(others)) / (rest / 2)
	return distuv.F{D1: float64(len(own) - 1), D2: df}.Survival(f) < noisyAt/float64(others+1)
}

// apart returns by how much known target i is away from all others in each round
// that it has, in order, its mean distance to each taken away, and how many
// others there are.
func (b *Blocks) apart(i int) (own []float64, others int) {
	sums, counts := make([]float64, b.Rounds()), make([]int, b.Rounds())
	for j, row := range b.logs {
		d := b.differences(i, j)
		if j == i || !b.known[j] || len(d) < MinTrials {
			continue
		}
		others++
		m := Mean(d)
		for r, v := range row {
			if d := b.logs[i][r] - v - m; !math.IsNaN(d) {
				sums[r], counts[r] = sums[r]+d, counts[r]+1
			}
		}
	}
	for r, n := range counts {
		if n > 0 {
			own = append(own, sums[r]/float64(n))
		}
	}
	return own, others
}

// differences returns the log ratios of two targets in the rounds that both
// have.
func (b *Blocks) differences(i, j int) []float64 {
	var d []float64
	for r, v := range b.logs[i] {
		if diff := v - b.logs[j][r]; !math.IsNaN(diff) {
			d = append(d, diff)
		}
	}
	return d
}

// A bound is one of the two tests that a difference has to pass: so many
// standard errors, which have so many degrees of freedom, at a one-sided level.
type bound struct{ se, df, level, critical float64 }

func (b bound) half() float64 { return b.critical * b.se }

// widest returns the bound of the difference of two targets that asks for more,
// of the one with the noise of all at the level all and the one with the noise
// of the pair at the level own.
func (b *Blocks) widest(d []float64, all, own float64) bound {
	one := b.withAll(d, all)
	two := bound{se: math.Sqrt(Variance(d) * inflation(b.rho, len(d)) / float64(len(d))), df: float64(len(d) - 1), level: own}
	if two.critical = b.quantile(1-own, two.df); two.half() > one.half() {
		return two
	}
	return one
}

// withAll returns the bound of a difference with the noise of all.
func (b *Blocks) withAll(d []float64, level float64) bound {
	return bound{se: math.Sqrt(b.pooled * inflation(b.rho, len(d)) / float64(len(d))), df: b.df, level: level, critical: b.quantile(1-level, b.df)}
}

// quantile is quantileT, remembered: few are asked for, for every pair.
func (b *Blocks) quantile(p, df float64) float64 {
	k := [2]float64{p, df}
	if _, ok := b.quantiles[k]; !ok {
		b.quantiles[k] = quantileT(p, df)
	}
	return b.quantiles[k]
}

// Ratio compares target i with target j: the geometric mean of their ratios
// within the rounds, with an interval of this one ratio. N and D are the rounds
// that both have.
func (b *Blocks) Ratio(i, j int) Ratio {
	d := b.differences(i, j)
	r := Ratio{N: len(d), D: len(d), Log: Mean(d), P: 1}
	r.Ratio = math.Exp(r.Log)
	if len(d) < MinTrials {
		return r
	}
	r.Known = true
	level := (1 - b.confidence) / 2
	w := b.widest(d, level, level)
	r.SE, r.DF = w.se, w.df
	switch {
	case w.se > 0:
		r.P = 2 * SurvivalT(math.Abs(r.Log)/w.se, w.df)
	case r.Log != 0: // equal ratios: nothing left to doubt
		r.P = 0
	}
	r.Lo, r.Hi = math.Exp(r.Log-w.half()), math.Exp(r.Log+w.half())
	return r
}

// Round returns the common level of a round over the targets that have a
// figure in every round, as a factor around 1: what the host did to all of
// them. It is NaN if there is no such target.
func (b *Blocks) Round(r int) float64 {
	sum, n := 0.0, 0
	for _, row := range b.logs {
		if m := Mean(row); !math.IsNaN(m) {
			sum, n = sum+row[r]-m, n+1
		}
	}
	return math.Exp(sum / float64(n))
}

// Rounds is how many rounds there are.
func (b *Blocks) Rounds() int {
	if len(b.logs) == 0 {
		return 0
	}
	return len(b.logs[0])
}

// Known reports whether target i can be compared with any other.
func (b *Blocks) Known(i int) bool { return b.known[i] }

// Dependence is the correlation of successive rounds, beyond what they do to all
// targets alike, from 0 to 1, and whether it is more than chance. Intervals are
// widened for it in any case.
func (b *Blocks) Dependence() (rho float64, sure bool) { return b.rho, b.depends }
