package stats

import (
	"math"
	"slices"
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
// The noise of a ratio is taken from all pairs of targets together, the
// residual mean square of the two-way layout: with three rounds a pair alone
// has two degrees of freedom, which among nine targets asks for 8.9 standard
// errors, the table has sixteen and asks for 2.8. That leans on targets that
// are about equally noisy. Where a pair shows more noise than the table, its
// own is taken, so that one erratic target is not judged by the calm of the
// others; the tests simulate how far that holds.
//
// Rejected: pairs by themselves (honest and blind at three rounds), Welch on
// figures relative to the round (four degrees of freedom at best), signs and
// permutations (three rounds have too few to reach 5 %).
type Blocks struct {
	logs       [][]float64 // target × round; NaN without a figure
	known      []bool      // the target shares MinTrials rounds with another one
	pooled, df float64     // variance of a log difference within a round
	confidence float64
	critical   float64 // standard errors that Best asks for
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
	b := &Blocks{logs: make([][]float64, len(x)), known: make([]bool, len(x)), confidence: confidence}
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
	b.pool(b.Level())
	return b
}

// pool estimates the noise of a log difference from all targets that are
// known, and how many standard errors of it a test at the level asks for.
func (b *Blocks) pool(level float64) {
	// Over all pairs of a full table the mean of the variances is exactly twice
	// the residual mean square; with gaps it is close.
	sum, weight, cells, rows := 0.0, 0.0, 0, 0
	used := make([]bool, b.Rounds())
	for i, known := range b.known {
		if !known {
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
			if d := b.differences(i, j); b.known[j] && len(d) >= MinTrials {
				w := float64(len(d) - 1)
				sum, weight = sum+w*Variance(d), weight+w
			}
		}
	}
	if weight == 0 {
		return
	}
	columns := 0
	for _, u := range used {
		if u {
			columns++
		}
	}
	b.pooled = sum / weight
	b.df = max(MinTrials-1, float64(cells-rows-columns+1))
	b.critical = quantileT(1-level, b.df)
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

// Ratio compares target i with target j: the geometric mean of their ratios
// within the rounds, with Student's interval. N and D are the rounds that both
// have.
func (b *Blocks) Ratio(i, j int) Ratio {
	r := b.pair(i, j)
	if !r.Known {
		return r
	}
	half := 0.0
	switch {
	case r.SE > 0:
		r.P = 2 * SurvivalT(math.Abs(r.Log)/r.SE, r.DF)
		half = quantileT(1-(1-b.confidence)/2, r.DF) * r.SE
	case r.Log != 0: // equal ratios: nothing left to doubt
		r.P = 0
	}
	r.Lo, r.Hi = math.Exp(r.Log-half), math.Exp(r.Log+half)
	return r
}

// pair is Ratio without what needs Student's distribution.
func (b *Blocks) pair(i, j int) Ratio {
	d := b.differences(i, j)
	r := Ratio{N: len(d), D: len(d), Log: Mean(d), P: 1}
	r.Ratio = math.Exp(r.Log)
	if len(d) < MinTrials {
		return r
	}
	r.Known = true
	r.DF = b.df
	v := Variance(d)
	if v > b.pooled {
		r.DF = max(float64(len(d)-1), b.df*b.pooled/v)
	} else {
		v = b.pooled
	}
	r.SE = math.Sqrt(v / float64(len(d)))
	return r
}

// above reports whether target i lies above target j beyond doubt.
func (b *Blocks) above(i, j int) bool {
	r := b.pair(i, j)
	if !r.Known || r.Log <= 0 || r.Log < b.critical*r.SE {
		return false
	}
	return r.Log > quantileT(1-(1-b.confidence)/2, r.DF)*r.SE
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

// Level is the one-sided level at which Best tests each pair of targets.
func (b *Blocks) Level() float64 {
	n := 0
	for _, known := range b.known {
		if known {
			n++
		}
	}
	return (1 - b.confidence) / float64(max(n, 1))
}

// Ranking is which targets of Blocks may be the best.
type Ranking struct {
	May    []bool  // this one may be the best
	Leader int     // the lowest on average over the rounds; -1 if no two can be compared
	By     []int   // for those that dropped out, whom they lost against; else -1
	Lost   []Ratio // and their ratio to it

	within *Blocks // those that may be the best
}

// Best ranks the targets: who may be the one with the lowest figure? For the
// highest, hand in reciprocals. A target that cannot be compared may be the
// best, and drives nobody out.
//
// A target drops out if another one lies below it beyond doubt, by a one-sided
// test at Level and by the interval of their ratio: the multiple comparison
// with the best (Hsu 1981), with Bonferroni's bound over all targets in place
// of Dunnett's. So the one that is lowest in truth is kept with at least the
// confidence, though the leader was chosen by looking at the same figures, and
// of two equal ones no winner is made more often than that allows.
//
// What is left is asked again with the noise of those that are left: the
// servers far behind are often the erratic ones, and shall not blur what can
// be told at the top.
func (b *Blocks) Best() Ranking {
	k := len(b.logs)
	r := Ranking{May: make([]bool, k), Leader: -1, By: make([]int, k), Lost: make([]Ratio, k)}
	for i := range k {
		r.May[i], r.By[i] = true, -1
	}
	r.within = &Blocks{logs: b.logs, known: slices.Clone(b.known), pooled: b.pooled, df: b.df, confidence: b.confidence, critical: b.critical}
	for r.drop() {
		r.within.pool(b.Level()) // of all: about all of them it was asked
	}
	return r
}

// drop finds the leader, drops those that lie above another one beyond doubt
// and reports whether there were any and there is still something to ask.
func (r *Ranking) drop() bool {
	b := r.within
	r.Leader = b.lowest()
	if r.Leader < 0 {
		return false
	}
	var out []int
	for i, known := range b.known {
		if !known || i == r.Leader {
			continue
		}
		against := func(j int) bool {
			if r.By[i] < 0 && j != i && b.known[j] && b.above(i, j) {
				r.May[i], r.By[i], r.Lost[i] = false, j, b.Ratio(i, j)
				out = append(out, i)
			}
			return r.By[i] >= 0
		}
		for j := 0; !against(r.Leader) && j < len(b.known); j++ {
			against(j) // with gaps, another one may be surer
		}
	}
	left := 0
	for _, i := range out {
		b.known[i] = false
	}
	for _, known := range b.known {
		if known {
			left++
		}
	}
	return len(out) > 0 && left > 1
}

// lowest returns the target that is the lowest on average over the rounds, -1
// if none is known.
func (b *Blocks) lowest() int {
	leader, least := -1, math.Inf(1)
	for i, known := range b.known {
		if !known {
			continue
		}
		sum, n := 0.0, 1 // with itself, or gaps would weigh more
		for j := range b.known {
			if d := b.differences(i, j); i != j && b.known[j] && len(d) >= MinTrials {
				sum, n = sum+Mean(d), n+1
			}
		}
		if score := sum / float64(n); score < least {
			leader, least = i, score
		}
	}
	return leader
}

// Detectable returns the smallest difference that would have been found with
// the given power between two of those that may be the best, if they are as
// noisy as most and have all rounds: 0.2 for a growth by 20 %. It is +Inf if
// no two can be compared.
func (r Ranking) Detectable(power float64) float64 {
	b := r.within
	if b.df == 0 {
		return math.Inf(1)
	}
	se := math.Sqrt(b.pooled / float64(b.Rounds()))
	return math.Expm1((b.critical + quantileT(power, b.df)) * se)
}
