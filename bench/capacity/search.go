package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dynobench/dyno/results"
)

// Search finds the highest rate that keeps c.Objective. When the budget is used
// up or ctx ends it returns what it has found by then. An error means that a
// probe failed; what was found before comes with it, nil if nothing was.
func Search(ctx context.Context, c Config) (*results.Capacity, error) {
	if c.Objective.String() == "" {
		return nil, errors.New("a search needs an objective")
	}
	s, err := c.start()
	if err != nil {
		return nil, err
	}
	err = s.search(ctx)
	if errors.Is(err, errOver) || s.died(err) {
		err = nil
	}
	if len(s.doc.Probes) == 0 && err != nil {
		return nil, err
	}
	if e := s.finish(ctx); e != nil {
		return nil, e
	}
	s.conclude()
	return s.doc, err
}

func (s *survey) search(ctx context.Context) error {
	guess, takes, err := s.guess(ctx)
	if err != nil || guess == 0 {
		return err
	}
	if most := max(s.longest(), s.Window); answersIn*takes > most {
		s.warn(results.CodeTooSlow, fmt.Sprintf("a --budget of %v or more", (time.Duration(answersIn*takes.Seconds()/longest)*time.Second+time.Second).Round(time.Second)),
			"a response takes %v, and a window must be %d times as long: the longest one in this budget is %v",
			takes.Round(time.Millisecond), answersIn, most.Round(time.Millisecond))
		return nil
	}
	s.least = answersIn * takes
	s.belief = newBelief(guess)
	// Below this rate, not even the longest window has the samples that the
	// objective needs.
	s.floor = s.samples() / s.longest().Seconds()

	if s.floor > s.belief.quantile(0.5) {
		s.warn(results.CodeTooSlow, "a longer --budget, or a lower percentile",
			"%s needs %.0f requests in a window, more than the server answers in the longest one in this budget", s.Objective, s.samples())
		return s.fill(ctx)
	}
	if err := s.bisect(ctx, func() bool { return s.elapsed() > time.Duration(searchShare*float64(s.Budget)) }); err != nil {
		return err
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	return s.bisect(ctx, func() bool { return false })
}

// longest is the longest window of the budget.
func (s *survey) longest() time.Duration { return time.Duration(longest * float64(s.Budget)) }

// answersIn is how many answers, one after the other, a window has to have room
// for: in a shorter one no queue forms that would.
const answersIn = 4

// guess returns the throughput of the closed loop, the better of two windows:
// a host that stands still in one of them must not send the search to rates
// far below the limit. Beside it is what an answer takes on an idle connection
// at most: what the connections' number makes of it is the closed loop's own.
func (s *survey) guess(ctx context.Context) (rps float64, takes time.Duration, err error) {
	for range closedTries {
		l, _, err := s.probe(ctx, closed, 0, max(s.Window/4, minWindow))
		if err != nil {
			return 0, 0, err
		}
		s.doc.ClosedRPS = max(s.doc.ClosedRPS, l.ThroughputRPS)
		if rps = max(rps, l.Answered()/l.DurationS); l.LatencyUS.Min > 0 {
			if least := time.Duration(l.LatencyUS.Min * 1e3); takes == 0 || least < takes {
				takes = least
			}
		}
	}
	return rps, takes, nil
}

const closedTries = 2

// samples is how many requests a window needs, chance allowed for.
func (s *survey) samples() float64 {
	n := float64(s.Objective.Samples())
	return n + 3*math.Sqrt(n)
}

// window is how long a probe at the rate takes.
func (s *survey) window(rate float64, usual time.Duration) time.Duration {
	return max(usual, s.least, time.Duration(s.samples()/rate*float64(time.Second)))
}

// bisect probes until enough is known, nothing more can be, or enough tells.
func (s *survey) bisect(ctx context.Context, enough func() bool) error {
	for n := 0; !enough() && !s.settled(); n++ {
		rate := s.belief.ask(n)
		if s.ceiling > 0 {
			rate = min(rate, s.ceiling*within)
		}
		rate = round(max(rate, s.floor))
		usual := s.Window
		if s.belief.width() > wide { // the answer will be plain
			usual /= 2
		}
		if err := s.ask(ctx, search, rate, s.window(rate, usual)); err != nil {
			return err
		}
	}
	return nil
}

// busy is how much of a CPU a generator uses whose lateness is its own.
const busy = 0.5

// within keeps probes that the generator limits from being at its very limit.
const within = 0.95

// ask probes at a rate and lets the belief know.
func (s *survey) ask(ctx context.Context, purpose string, rate float64, window time.Duration) error {
	l, verdict, err := s.probe(ctx, purpose, rate, window)
	if err != nil {
		return err
	}
	switch verdict {
	case results.VerdictKept, results.VerdictMissed:
		s.belief.tell(rate, verdict == results.VerdictKept)
		s.verdicts++
	case results.VerdictSpoiled:
		// A generator without CPU left has a limit here; one that is idle was
		// disturbed by the host, which may be over by the next probe.
		if l.GeneratorCPUUtilisation >= busy && (s.ceiling == 0 || rate < s.ceiling) {
			s.ceiling = min(rate, max(l.ThroughputRPS, rate/2))
		}
	}
	return nil
}

// settled tells whether more probes would tell nothing new.
func (s *survey) settled() bool {
	low, high := s.belief.interval()
	switch {
	case s.verdicts < fewProbes:
		return false
	case math.Log(high/low)/2 < precision:
		return true
	case s.ceiling > 0 && s.belief.quantile(ceilingDoubt) > s.ceiling*within:
		return true // the limit is beyond what can be probed
	}
	return high < s.floor // the limit is below what can be judged
}

// ceilingDoubt is the probability of a limit below the generator's that is
// taken for none.
const ceilingDoubt = 0.1

// fill probes at fractions of the limit what the search has left out: below
// the limit in an order drawn from the seed, so that a drift of the host does
// not look like a slope, and beyond it at the end.
func (s *survey) fill(ctx context.Context) error {
	limit := s.belief.quantile(0.5)
	if s.ceiling > 0 {
		limit = min(limit, s.ceiling*within)
	}
	var rates []float64
	for _, f := range fractions {
		rate := round(limit * f)
		if !s.seen(rate) && (s.ceiling == 0 || rate < s.ceiling) {
			rates = append(rates, rate)
		}
	}
	n := len(rates)
	for n > 0 && rates[n-1] > limit {
		n--
	}
	s.random.Shuffle(n, func(i, j int) { rates[i], rates[j] = rates[j], rates[i] })
	for i, rate := range rates {
		// What is left, shared out; less than half a window would not tell much.
		left := (s.Budget-s.elapsed())/time.Duration(len(rates)-i) - ending
		window := max(s.least, min(max(left-warmup(left), s.Window/2), s.Window))
		if rate > limit*telling { // what it says about the limit counts, too
			window = s.window(rate, window)
		}
		if err := s.ask(ctx, curve, rate, window); err != nil {
			return err
		}
	}
	return nil
}

// telling is the share of the limit from which a window may be missed.
const telling = 0.65

// seen tells whether a rate, or one close by, has been probed to some effect.
func (s *survey) seen(rate float64) bool {
	for _, p := range s.doc.Probes {
		if p.RateRPS > 0 && p.Verdict != results.VerdictSpoiled && math.Abs(p.RateRPS/rate-1) < tooClose {
			return true
		}
	}
	return false
}

// conclude says what the search has found.
func (s *survey) conclude() {
	d := s.doc
	if s.belief == nil || code(d, results.CodeTooSlow) || code(d, results.CodeDied) || code(d, results.CodeAllErrors) {
		return
	}
	kept, most, least := false, 0.0, math.Inf(1) // whether ever, the highest point that keeps the objective, the lowest of all
	for _, p := range d.Points {
		if !p.Valid {
			continue
		}
		kept, least = kept || p.Kept > 0, min(least, p.RateRPS)
		if p.Objective.Met {
			most = max(most, p.RateRPS)
		}
	}
	if s.verdicts < undecided {
		s.warn(results.CodeUndecided, "a longer --budget; a quieter host",
			"only %d windows could be judged: too few to find a limit", s.verdicts)
		return
	}
	if !kept {
		s.warn(results.CodeNeverKept, "the curve shows the best that the server did",
			"%s was met at no rate; the lowest rate probed is %.3g requests/s", s.Objective, least)
		return
	}
	limit := s.belief.quantile(0.5)
	low, high := s.belief.interval()
	d.SpreadPct = 100 * s.belief.spread()
	if s.ceiling > 0 && limit >= s.ceiling*within {
		d.AtLeast, d.CapacityRPS = true, most
		d.Interval = &results.Interval{LowRPS: min(low, most), Confidence: confidence}
		s.warn(results.CodeAtLeast, "give the generator more threads (-t) and CPUs of its own",
			"from %.0f requests/s on, the generator or the host was the limit: the server's limit is not known", s.ceiling)
		return
	}
	d.CapacityRPS = limit
	d.Interval = &results.Interval{LowRPS: low, HighRPS: high, Confidence: confidence}
	if math.Log(high/low)/2 > wideInterval {
		s.warn(results.CodeWide, "a longer --budget; a quieter host",
			"the interval reaches from %.0f %% below to %.0f %% above: the windows disagree, or are too few", 100*(1-low/limit), 100*(high/limit-1))
	}
	for _, p := range d.Points {
		// Missed together and each alone: not by chance.
		if p.Valid && p.RateRPS < low*0.9 && p.Kept == 0 && verdictOf(p.Objective) == results.VerdictMissed {
			s.warn(results.CodeNotMonotone, "look at the curve; the search assumes that less load is easier",
				"the objective is also missed at %.4g requests/s, far below the limit", p.RateRPS)
			break
		}
	}
}

// undecided is how many windows are too few to say anything.
const undecided = 4

// wideInterval is the half-width from which an interval is complained about.
const wideInterval = 0.2
