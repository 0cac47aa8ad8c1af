// Package capacity finds the highest rate at which a server keeps an
// objective, and draws its throughput–latency curve on the way. It offers
// nothing itself: it decides at which rate the next window of load is to be
// offered, and what the answers mean.
//
// A search probes the closed loop for a first guess, then bisects the logarithm
// of the rate under noise (see belief), then fills the curve in at fractions of
// the limit that was found, and gives what time is left to the limit again.
// Every probe is a window with a warm-up and a seed of its own. One that
// the generator or the host has spoiled is repeated, and never taken for the
// server's failure. docs/capacity.md tells the whole method.
package capacity

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/results"
)

// An Ask is a window of load to be offered.
type Ask struct {
	Purpose string  // closed, search or curve
	Rate    float64 // requests per second, open loop; 0 is the closed loop
	Seed    uint64
	Warmup  time.Duration
	Window  time.Duration
}

// Probe offers what is asked for, as load.Run does: it returns early, with
// Interrupted set, when ctx ends. What it knows of the host it adds as warnings
// that make the Load invalid.
type Probe func(ctx context.Context, a Ask) (*results.Load, error)

// Config is a search or a sweep. Probe and Budget are needed.
type Config struct {
	Objective Objective // needed for a search
	Probe     Probe
	Budget    time.Duration // of the whole; no probe begins that would exceed it
	Window    time.Duration // of a probe; 0 chooses by the budget
	Seed      uint64
	// Now is the clock that the budget is read from, time.Now if nil.
	Now func() time.Time
	// Seen, where not nil, is called before each probe and with each result.
	Seen func(Event)
}

// An Event is the progress of a search.
type Event struct {
	Ask     Ask
	Probe   *results.Probe // nil before the probe
	Elapsed time.Duration
	Limit   float64 // what the limit is believed to be; 0 where nothing is yet
}

// Purposes of a probe.
const (
	closed = "closed"
	search = "search"
	curve  = "curve"
)

// Bounds of a search; dyno's own choice.
const (
	windows     = 24                     // probes that a budget is divided into
	minWindow   = 250 * time.Millisecond // below, the edges of a window are a part of it
	maxWindow   = 20 * time.Second
	warmupShare = 0.25 // of a window
	minWarmup   = 100 * time.Millisecond
	maxWarmup   = 500 * time.Millisecond
	ending      = 250 * time.Millisecond // connecting, and waiting for the last answers
	tries       = 3                      // of a probe that is spoiled
	longest     = 1.0 / 8                // of the budget for one window, where the objective needs many samples
	searchShare = 0.58                   // of the budget, before the curve
	precision   = 0.02                   // half of the interval that ends the search early
	fewProbes   = 8                      // that a search makes at least
	confidence  = 0.95
	tooClose    = 0.03 // a point that is so close to another one is not probed
)

// fractions of the limit that the curve is filled in at.
var fractions = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1}

// Failures are the codes of surveys that found the server wanting, whatever the
// rate.
var Failures = []string{results.CodeNeverKept, results.CodeNoAnswers, results.CodeAllErrors, results.CodeDied}

// A survey is a search or a sweep under way.
type survey struct {
	Config
	doc      *results.Capacity
	loads    []*results.Load // of the probes of the open loop, for the curve
	began    time.Time
	random   *rand.Rand
	belief   *belief
	ceiling  float64       // rates from here on say nothing about the server; 0: none is known
	least    time.Duration // that a window takes
	drain    time.Duration // what the last probe took beside warm-up and window
	floor    float64       // rates up to here have too few requests to be judged
	verdicts int
}

// errOver ends a survey whose time is over, or that was interrupted.
var errOver = errors.New("the time is over")

func (c Config) start() (*survey, error) {
	if c.Probe == nil || c.Budget <= 0 {
		return nil, errors.New("a search needs a probe and a budget of time")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Window == 0 {
		c.Window = min(max(c.Budget/windows, minWindow), maxWindow)
	}
	if c.Objective.String() != "" && !c.Objective.BoundsErrors() {
		c.Objective = c.Objective.WithErrors()
	}
	s := &survey{
		Config: c, began: c.Now(), random: rand.New(rand.NewPCG(c.Seed, 0x6361706163697479)),
		doc: &results.Capacity{
			Schema: results.CapacitySchema, Seed: c.Seed, Objective: c.Objective.String(), Bound: c.Objective.Bound(), BudgetS: c.Budget.Seconds(),
			Points: []results.CapacityPoint{}, Probes: []results.Probe{},
		},
	}
	return s, nil
}

// finish makes the curve of what there is.
func (s *survey) finish(ctx context.Context) error {
	s.doc.Interrupted = ctx.Err() != nil
	s.doc.DurationS = s.elapsed().Seconds()
	if err := s.points(); err != nil {
		return err
	}
	s.doc.Knee = knee(s.doc.Points)
	s.fruitless()
	spoiled, all := 0, 0
	for _, p := range s.doc.Probes {
		if p.Purpose != closed {
			all++
			if p.Verdict == results.VerdictSpoiled {
				spoiled++
			}
		}
	}
	if spoiled > 0 && 4*spoiled >= all {
		s.warn(results.CodeSpoiled, "use a quieter host, or separate CPUs for server and generator (taskset)",
			"%d of %d probes did not count because of the host", spoiled, all)
	}
	return nil
}

// fruitless tells of rates, or of a whole survey, without a right answer.
func (s *survey) fruitless() {
	var e results.Errors
	var answers, right float64
	for _, p := range s.doc.Probes {
		addErrors(&e, p.Errors)
		answers += max(float64(p.Requests), p.WindowAnswers)
		right += p.ThroughputRPS * p.DurationS
	}
	const byHand = "ask the server by hand (curl -m 5)"
	switch {
	case len(s.doc.Probes) == 0 || s.doc.Interrupted || code(s.doc, results.CodeDied):
	case right > 0 && s.doc.BudgetS > 0: // a search goes beyond what the server can do
	case right > 0:
		for _, p := range s.doc.Points {
			if p.ThroughputRPS == 0 && p.Requests+e.Total() > 0 {
				s.warn(results.CodeNoAnswers, byHand, "at %.4g requests/s no response was right", p.RateRPS)
				return
			}
		}
	case answers == 0 && e.Total() == e.Timeout+e.Unsent:
		s.warn(results.CodeNoAnswers, byHand+"; if it takes longer, use a longer --timeout and --budget",
			"no request of %d windows was answered", len(s.doc.Probes))
	default:
		s.warn(results.CodeAllErrors, "request that path by hand and look at the response",
			"no response in %d windows was right (%s)", len(s.doc.Probes), kinds(e))
	}
}

// kinds lists what failed.
func kinds(e results.Errors) string {
	var all []string
	for _, f := range e.Kinds() {
		all = append(all, fmt.Sprintf("%s %d", f.Kind, f.N))
	}
	return strings.Join(all, ", ")
}

// died tells whether err is that the server took connections before and now
// takes none any more, and says so.
func (s *survey) died(err error) bool {
	var bad *plan.ConfigError
	if err == nil || errors.Is(err, errOver) || errors.As(err, &bad) || len(s.doc.Probes) == 0 {
		return false
	}
	s.warn(results.CodeDied, "see the server's log; dyno reports no limit for a server that dies during the search",
		"after %d windows: %v", len(s.doc.Probes), err)
	return true
}

func (s *survey) elapsed() time.Duration { return s.Now().Sub(s.began) }

func (s *survey) warn(code, hint, format string, a ...any) {
	s.doc.Warnings = append(s.doc.Warnings, results.Warning{Code: code, Message: fmt.Sprintf(format, a...), Hint: hint})
}

func code(d *results.Capacity, code string) bool {
	return slices.ContainsFunc(d.Warnings, func(w results.Warning) bool { return w.Code == code })
}

// serverFaults are the reasons for which a window is not valid by the server's
// own doing. All others are the generator's or the host's.
var serverFaults = []string{results.CodeErrors, results.CodeWrongBytes, results.CodeStarvation, results.CodeNoAnswers, results.CodeStalled}

// spoiled tells whether l says nothing about the server.
func spoiled(l *results.Load) bool {
	return slices.ContainsFunc(l.Warnings, func(w results.Warning) bool {
		return w.Invalid && !slices.Contains(serverFaults, w.Code)
	})
}

func has(l *results.Load, code string) bool {
	return slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Invalid && w.Code == code })
}

// probe offers one window and stores it, repeating it while it is spoiled.
// The verdict is empty where there is no objective. It returns errOver if
// there is no time left for it.
func (s *survey) probe(ctx context.Context, purpose string, rate float64, window time.Duration) (*results.Load, string, error) {
	for try := 1; ; try++ {
		a := Ask{Purpose: purpose, Rate: rate, Window: window, Warmup: warmup(window), Seed: uint64(s.random.Uint32()) + 1}
		if ctx.Err() != nil || s.elapsed()+a.Warmup+a.Window+max(ending, s.drain) > s.Budget {
			return nil, "", errOver
		}
		s.tell(Event{Ask: a})
		began := s.elapsed()
		l, err := s.Probe(ctx, a)
		if err != nil {
			if ctx.Err() != nil {
				err = errOver
			}
			return nil, "", err
		}
		if l.Interrupted {
			return nil, "", errOver
		}
		s.drain = s.elapsed() - began - time.Duration((l.WarmupS+l.DurationS)*float64(time.Second))
		verdict, err := s.store(a, l)
		if err != nil {
			return nil, "", err
		}
		if verdict != results.VerdictSpoiled || try == tries || has(l, results.CodeGeneratorBound) || purpose == closed {
			return l, verdict, nil
		}
	}
}

func warmup(window time.Duration) time.Duration {
	return min(max(time.Duration(warmupShare*float64(window)), minWarmup), maxWarmup)
}

func (s *survey) tell(e Event) {
	if s.Seen == nil {
		return
	}
	e.Elapsed = s.elapsed()
	if s.belief != nil && s.verdicts > 0 {
		e.Limit = s.belief.quantile(0.5)
	}
	s.Seen(e)
}

// store judges a window and keeps it.
func (s *survey) store(a Ask, l *results.Load) (verdict string, err error) {
	p := results.Probe{
		Purpose: a.Purpose, RateRPS: a.Rate, Seed: a.Seed, WarmupS: l.WarmupS, DurationS: l.DurationS, Requests: l.Requests, WindowAnswers: l.WindowAnswers,
		ThroughputRPS: l.ThroughputRPS, Errors: l.Errors, LatencyUS: l.LatencyUS, Utilisation: l.GeneratorCPUUtilisation,
		Valid: l.Valid, Warnings: l.Warnings,
	}
	if p.Objective, err = s.Objective.Judge(l); err != nil {
		return "", err
	}
	if a.Rate > 0 {
		switch {
		case spoiled(l):
			p.Verdict = results.VerdictSpoiled
		case p.Objective == nil:
		case slices.ContainsFunc(serverFaults, func(code string) bool { return code != results.CodeErrors && has(l, code) }):
			p.Verdict = results.VerdictMissed
		default:
			p.Verdict = verdictOf(p.Objective)
		}
	}
	d := s.doc
	if len(d.Probes) == 0 {
		d.URL, d.Generator, d.Connections, d.Threads = l.URL, l.Generator, l.Connections, l.Threads
	}
	if a.Rate > 0 {
		d.Arrivals = l.Arrivals
		s.loads = append(s.loads, l)
	}
	d.Probes = append(d.Probes, p)
	s.tell(Event{Ask: a, Probe: &p})
	return p.Verdict, nil
}
