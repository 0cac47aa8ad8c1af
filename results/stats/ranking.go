package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranking is which targets of Blocks may be the best.
type Ranking struct {
	May     []bool  // this one may be the best
	Erratic []bool  // this one is too noisy to be ranked: it may be the best, and drives nobody out
	Leader  int     // the lowest on average over the rounds; -1 if no two can be compared
	By      []int   // for those that dropped out, whom they lost against; else -1
	Lost    []Ratio // and their ratio to it, with an interval that allows for its having been picked

	within *Blocks // those that may be the best
	all    float64 // the one-sided level of each pair, with the noise of all
	own    float64 // and with its own
}

// ownLevel is the one-sided level of the test with a pair's own noise. The test
// with the noise of all is wrong about a target that is noisier than the others;
// this one is not. One such target may go unnoticed; those that are known to be
// erratic share the level.
const ownLevel = 0.0125

// usualNoise is the chance of more noise than a pair shows, down to which that is
// taken for what all pairs have.
const usualNoise = 0.1

// Best ranks the targets: who may be the one with the lowest figure? For the
// highest, hand in reciprocals. A target that cannot be compared may be the
// best, and drives nobody out.
//
// A target drops out if another one lies below it beyond doubt, at a level that
// holds for all pairs together (Bonferroni's bound in place of Tukey's
// studentised range, from which it differs little): of equal targets, however
// many, none is called behind in more runs than the confidence allows, and the
// one that is lowest in truth is kept. This is stricter than the multiple
// comparison with the best (Hsu 1981), which promises the second only.
//
// What is left is asked again with the noise of those that are left: the
// servers far behind are often the erratic ones, and shall not blur what can
// be told at the top.
func (b *Blocks) Best() Ranking {
	k := len(b.logs)
	r := Ranking{May: make([]bool, k), Erratic: make([]bool, k), Leader: -1, By: make([]int, k), Lost: make([]Ratio, k)}
	n := 0
	for i := range k {
		r.May[i], r.By[i] = true, -1
		if b.known[i] {
			n++
		}
	}
	r.all = (1 - b.confidence) / float64(max(n*(n-1), 1))
	r.within = &Blocks{logs: b.logs, known: slices.Clone(b.known), erratic: b.erratic, pooled: b.pooled, df: b.df, rho: b.rho, confidence: b.confidence, quantiles: b.quantiles}
	for r.drop() {
		// Of few, the noise is known badly: only if that is made up for.
		bar := func(b *Blocks) float64 { return b.quantile(1-r.all, b.df) * math.Sqrt(b.pooled) }
		left := *r.within
		if left.pool(); left.df > 0 && bar(&left) < bar(r.within) {
			r.within = &left
		}
	}
	return r
}

// drop finds the leader, drops those that lie above another one beyond doubt
// and reports whether there were any and there is still something to ask.
func (r *Ranking) drop() bool {
	b := r.within
	for i, known := range b.known {
		r.Erratic[i] = known && b.erratic[i]
	}
	noisy := 0
	for _, erratic := range b.erratic {
		if erratic {
			noisy++
		}
	}
	r.own = max(r.all, ownLevel/float64(max(noisy, 1)))
	r.Leader = b.lowest(func(i int) bool { return !b.erratic[i] })
	if r.Leader < 0 {
		return false
	}
	// An erratic one drives nobody out, unless it is below all others.
	for i, erratic := range b.erratic {
		if !erratic || !b.known[i] {
			continue
		}
		below := true
		for j, known := range b.known {
			below = below && (!known || j == i || r.above(j, i))
		}
		if below {
			r.Leader, r.Erratic[i] = i, false
		}
	}
	var out []int
	for i, known := range b.known {
		if !known || i == r.Leader {
			continue
		}
		against := func(j int) bool {
			if r.By[i] < 0 && j != i && b.known[j] && !r.Erratic[j] && r.above(i, j) {
				r.May[i], r.By[i], r.Lost[i] = false, j, r.picked(i, j)
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
		b.known[i], r.Erratic[i] = false, false
	}
	for _, known := range b.known {
		if known {
			left++
		}
	}
	return len(out) > 0 && left > 1
}

// above reports whether target i lies above target j beyond doubt.
func (r *Ranking) above(i, j int) bool {
	d := r.within.differences(i, j)
	if len(d) < MinTrials {
		return false
	}
	m := Mean(d)
	return m > 0 && m > r.within.widest(d, r.all, r.own).half()
}

// picked returns the ratio of target i to target j, which it lies above beyond
// doubt.
//
// Its interval holds for all pairs together, and for its having been picked.
// Only a difference beyond the critical value is told, and of a small one only
// those estimates are told that came out too large; so the lower end is where
// an estimate as high as this is as rare among those beyond the critical value,
// on either side, as the level says (Weinstein, Fithian and Benjamini 2013). Far
// from the critical value that is the usual end. Close to it the interval may
// hold no difference at all, though having none is what the test excludes: the
// test is about all runs, the interval about those that tell this difference.
func (r *Ranking) picked(i, j int) Ratio {
	d := r.within.differences(i, j)
	w := r.within.widest(d, r.all, r.own)
	ratio := Ratio{N: len(d), D: len(d), Log: Mean(d), SE: w.se, DF: w.df, Known: true}
	ratio.Ratio = math.Exp(ratio.Log)
	ratio.Lo, ratio.Hi = ratio.Ratio, math.Exp(ratio.Log+w.half())
	// Unless the pair is noisier than others, theirs is the noise that is known
	// better.
	if all := r.within.withAll(d, r.all); all.se > 0 && (distuv.F{D1: float64(len(d) - 1), D2: all.df}).Survival(Variance(d)/r.within.pooled) > usualNoise {
		all.critical = w.half() / all.se
		w = all
	}
	if w.se > 0 {
		t := ratio.Log / w.se
		ratio.P = 2 * SurvivalT(t, w.df)
		// What is picked is picked for a standard error that came out too small,
		// too: then the truth is fewer standard errors away than it looks.
		under := 1.0
		if w.df < beyondT {
			under = math.Sqrt(distuv.ChiSquared{K: w.df}.Quantile(0.05) / w.df)
		}
		beyond := func(x float64) float64 {
			told := SurvivalT(w.critical-under*x, w.df) + SurvivalT(w.critical+under*x, w.df)
			return SurvivalT(t-x, w.df) / told
		}
		lo, hi := -w.critical, t // beyond grows with x
		for range 40 {
			if mid := (lo + hi) / 2; beyond(mid) < w.level {
				lo = mid
			} else {
				hi = mid
			}
		}
		ratio.Lo = math.Exp(lo * w.se)
	}
	return ratio
}

// Behind returns the ratio of target i to the one that it lost against, or else
// to the leader, with an interval that holds for all pairs together.
func (r Ranking) Behind(i int) Ratio {
	if r.By[i] >= 0 {
		return r.Lost[i]
	}
	b := r.within
	ratio := b.Ratio(i, r.Leader)
	if ratio.Known {
		half := b.widest(b.differences(i, r.Leader), r.all, r.own).half()
		ratio.Lo, ratio.Hi = math.Exp(ratio.Log-half), math.Exp(ratio.Log+half)
	}
	return ratio
}

// lowest returns that of some targets that is the lowest on average over the
// rounds, -1 if none is known.
func (b *Blocks) lowest(of func(int) bool) int {
	leader, least := -1, math.Inf(1)
	for i, known := range b.known {
		if !known || !of(i) {
			continue
		}
		sum, n := 0.0, 1 // with itself, or gaps would weigh more
		for j := range b.known {
			if d := b.differences(i, j); i != j && b.known[j] && of(j) && len(d) >= MinTrials {
				sum, n = sum+Mean(d), n+1
			}
		}
		if score := sum / float64(n); score < least {
			leader, least = i, score
		}
	}
	return leader
}

// Detectable returns the minimum detectable effect: the smallest difference
// that would have been found with the given power between two of those that may
// be the best, if they are as noisy as most and have all rounds: 0.2 for a
// growth by 20 %. It is +Inf if no two can be compared.
//
// It has to pass both tests of Blocks, so the power is taken over the noise of
// the pair and that of the rest, of which pooled is made.
func (r Ranking) Detectable(power float64) float64 {
	b := r.within
	if b.df == 0 {
		return math.Inf(1)
	}
	n := b.Rounds()
	se := math.Sqrt(b.pooled * inflation(b.rho, n) / float64(n))
	own := min(float64(n-1), b.df)
	rest := b.df - own
	all, pair := quantileT(1-r.all, b.df), quantileT(1-r.own, own)
	const steps = 24
	quantiles := func(df float64) []float64 { // of the variance, in steps of equal probability
		q := make([]float64, steps)
		for i := range q {
			if df > 0 {
				q[i] = distuv.ChiSquared{K: df}.Quantile((float64(i)+0.5)/steps) / df
			}
		}
		return q
	}
	ofPair, ofRest := quantiles(own), quantiles(rest)
	return math.Expm1(unbiased(se, b.df) * effect(power, func(delta float64) float64 {
		sum := 0.0
		for _, v := range ofPair {
			for _, w := range ofRest {
				bar := max(all*math.Sqrt((own*v+rest*w)/b.df), pair*math.Sqrt(v))
				sum += distuv.UnitNormal.CDF(delta - bar)
			}
		}
		return sum / steps / steps
	}))
}
