package stats

import "math"

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
	// Over all pairs of a full table the mean of the variances is exactly twice
	// the residual mean square; with gaps it is close.
	sum, weight := 0.0, 0.0
	for i := range x {
		for j := range i {
			if d := b.differences(i, j); len(d) >= MinTrials {
				b.known[i], b.known[j] = true, true
				w := float64(len(d) - 1)
				sum, weight = sum+w*Variance(d), weight+w
			}
		}
	}
	if weight == 0 {
		return b
	}
	b.pooled = sum / weight
	cells, rows := 0, 0
	used := make([]bool, rounds)
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
	}
	columns := 0
	for _, u := range used {
		if u {
			columns++
		}
	}
	b.df = max(MinTrials-1, float64(cells-rows-columns+1))
	b.critical = quantileT(1-b.Level(), b.df)
	return b
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
		r.P = 2 * survivalT(math.Abs(r.Log)/r.SE, r.DF)
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

// Detectable returns the smallest difference that Best finds with the given
// power between two targets that are as noisy as most and have all rounds: 0.2
// for a growth by 20 %. It is +Inf if no two targets can be compared.
func (b *Blocks) Detectable(power float64) float64 {
	if b.df == 0 {
		return math.Inf(1)
	}
	se := math.Sqrt(b.pooled / float64(b.Rounds()))
	return math.Expm1((b.critical + quantileT(power, b.df)) * se)
}

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

// Best returns which targets may be the one with the lowest figure and which
// of them leads, the lowest on average over the rounds; leader is -1 if no two
// targets can be compared. For the highest, hand in reciprocals. A target that
// cannot be compared may be the best, and drives nobody out.
//
// A target drops out if another one lies below it beyond doubt, by a one-sided
// test at Level and by the interval of their ratio: the multiple comparison
// with the best (Hsu 1981), with Bonferroni's bound over all targets in place
// of Dunnett's. So the one that is lowest in truth is kept with at least the
// confidence, though the leader was chosen by looking at the same figures, and
// of two equal ones no winner is made more often than that allows. by[i] is
// the target that i lost against: the leader, unless only another one is
// beyond doubt; -1 for those that stay.
func (b *Blocks) Best() (may []bool, leader int, by []int) {
	may, by, leader = make([]bool, len(b.logs)), make([]int, len(b.logs)), -1
	lowest := math.Inf(1)
	for i := range b.logs {
		may[i], by[i] = true, -1
		if !b.known[i] {
			continue
		}
		sum, n := 0.0, 1 // with itself, or gaps would weigh more
		for j := range b.logs {
			if d := b.differences(i, j); i != j && len(d) >= MinTrials {
				sum, n = sum+Mean(d), n+1
			}
		}
		if score := sum / float64(n); score < lowest {
			lowest, leader = score, i
		}
	}
	if leader < 0 {
		return may, leader, by
	}
	for i := range b.logs {
		if i == leader || !b.known[i] {
			continue
		}
		against := func(j int) bool {
			if j != i && b.above(i, j) {
				may[i], by[i] = false, j
			}
			return !may[i]
		}
		for j := 0; !against(leader) && j < len(b.logs); j++ {
			against(j)
		}
	}
	return may, leader, by
}
