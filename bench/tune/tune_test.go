package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/results/compare"
	"github.com/dynobench/dyno/results/stats"
)

// host is a machine in virtual time: its level drifts from round to round and
// by a factor of two over a search, each trial is off by 7 % (what two
// neighbouring trials of an unchanged server were seen to differ by, divided by
// √2), and one in fifty by half.
type host struct {
	rng   *rand.Rand
	cost  func(Candidate) float64 // of a request, the defaults' is 1
	drift float64
	calls [][]Candidate
	fail  int // the call that ends in an error after its first round; 0: none
}

var errHost = errors.New("the host is gone")

func (h *host) measure(_ context.Context, all []Candidate, rounds int) ([]results.Trial, error) {
	h.calls = append(h.calls, all)
	var trials []results.Trial
	for round := 1; round <= rounds; round++ {
		h.drift = 0.8*h.drift + 0.2*h.rng.NormFloat64()
		for _, i := range h.rng.Perm(len(all)) {
			cost := 10 * h.cost(all[i]) * math.Exp(h.drift+0.07*h.rng.NormFloat64())
			if h.rng.IntN(50) == 0 {
				cost *= 1.5
			}
			t := results.Trial{Target: all[i].Name("x"), Trial: round}
			t.Valid, t.ThroughputRPS, t.Server.CPUUSPerRequest = true, 1e6/cost, cost
			t.LatencyUS.P99, t.Server.RSSPeakBytes = 5*cost, 1<<20
			trials = append(trials, t)
		}
		if len(h.calls) == h.fail {
			return trials, errHost
		}
	}
	return trials, nil
}

// terms is a search of the size that dyno tune makes of an engine.
func terms(o Objective) Terms {
	return Terms{Engine: "x", Objective: o, Rounds: 9, Floor: 0.02, Knobs: []Knob{
		{Key: "loops", Default: "1", Values: []string{"2", "4"}},
		{Key: "io", Default: "a", Values: []string{"b"}},
		{Key: "none", Default: "0"},
		{Key: "GOGC", Default: "100", Variable: true, Values: []string{"200", "400", "800"}},
	}}
}

// sets returns a cost that depends on the settings: factors multiply.
func sets(factors map[string]float64) func(Candidate) float64 {
	return func(c Candidate) float64 {
		cost := 1.0
		for _, s := range c {
			if f, ok := factors[s.Key+"="+s.Value]; ok {
				cost *= f
			}
		}
		return cost
	}
}

// TestSearchIsRight asks how often the search is right, in 300 lives of such a
// host; in 40 with the race detector, which makes arithmetic ten times slower.
func TestSearchIsRight(t *testing.T) {
	seeds := 300
	if testkit.Race {
		seeds = 40
	}
	for _, c := range []struct {
		name    string
		factors map[string]float64
		want    string // a setting that must be chosen; "": the defaults
	}{
		{"all equal", nil, ""},
		{"all a little worse", map[string]float64{"loops=2": 1.03, "loops=4": 1.05, "io=b": 1.1, "GOGC=200": 1.01}, ""},
		{"a fifth better", map[string]float64{"io=b": 0.8}, "io=b"},
		{"a fifth better, a variable", map[string]float64{"GOGC=400": 0.8}, "GOGC=400"},
		{"two that are better", map[string]float64{"loops=4": 0.8, "GOGC=800": 0.7}, "GOGC=800"},
	} {
		right, along := 0, 0
		for seed := range uint64(seeds) {
			h := &host{rng: rand.New(rand.NewPCG(seed, 1)), cost: sets(c.factors)}
			r, err := Search(context.Background(), terms(Objectives[seed%3]), h.measure)
			if err != nil || !r.Complete {
				t.Fatalf("%s: %v", c.name, err)
			}
			if name := r.Chosen.Name(""); c.want == "" && len(r.Chosen) == 0 || c.want != "" && strings.Contains(name, c.want) {
				right++
			}
			// What is chosen beside what is good for nothing.
			for _, s := range r.Chosen {
				if f, ok := c.factors[s.Key+"="+s.Value]; !ok || f >= 1 {
					along++
				}
			}
		}
		if lo, _ := stats.ClopperPearson(along, seeds, 0.98); lo > 0.01 {
			t.Errorf("%s: a useless setting was chosen %d times in %d", c.name, along, seeds)
		}
		lo, hi := stats.ClopperPearson(right, seeds, 0.95)
		t.Logf("%s: right in %d of %d, so with %.1f to %.1f %%", c.name, right, seeds, 100*lo, 100*hi)
		if hi < 0.95 {
			t.Errorf("%s: right in %d of %d; want 95 %%, less chance", c.name, right, seeds)
		}
	}
}

// TestSearchConfirms has a value look better in its sweep and not after it: a
// change of the host, say.
func TestSearchConfirms(t *testing.T) {
	h := &host{rng: rand.New(rand.NewPCG(1, 1))}
	h.cost = func(c Candidate) float64 {
		if len(h.calls) == 2 && len(c) > 0 { // io=b in the sweep of io
			return 0.7
		}
		return 1
	}
	r, err := Search(context.Background(), terms(CPU), h.measure)
	if err != nil || !r.Complete {
		t.Fatal(err)
	}
	if got := r.Sweeps[1].Candidates[r.Sweeps[1].Best]; got.Value != "b" || got.Verdict != compare.Better {
		t.Errorf("the sweep kept %+v, want b", got)
	}
	if len(r.Chosen) > 0 || r.Confirmation == nil || r.Confirmation.Best != 0 {
		t.Errorf("chosen %v after the confirmation %+v; want the defaults", r.Chosen, r.Confirmation)
	}
	if last := h.calls[len(h.calls)-1]; len(last) != 2 || len(last[0]) != 0 || last[1].Name("x") != "x,io=b" {
		t.Errorf("the confirmation measured %v, want the defaults and x,io=b", last)
	}
	// From io on, it is what the others are tried beside.
	if got := h.calls[2][1].Name("x"); got != "GOGC=200 x,io=b" {
		t.Errorf("GOGC was tried as %s", got)
	}
}

// TestSearchDropsWhatCameAlong has a useless setting look good in its sweep, beside
// one that is: the confirmation of both together would not notice.
func TestSearchDropsWhatCameAlong(t *testing.T) {
	h := &host{rng: rand.New(rand.NewPCG(1, 1))}
	good := sets(map[string]float64{"loops=4": 0.5})
	h.cost = func(c Candidate) float64 {
		if len(h.calls) == 2 && strings.Contains(c.Name("x"), "io=b") { // the sweep of io
			return 0.7 * good(c)
		}
		return good(c)
	}
	r, err := Search(context.Background(), terms(CPU), h.measure)
	if err != nil || !r.Complete || r.Without == nil || r.Confirmation == nil {
		t.Fatalf("%v, %+v", err, r)
	}
	if got := fmt.Sprint(r.Chosen); got != "[{loops 4 false}]" {
		t.Errorf("chosen: %s", got)
	}
	var verdicts []compare.Verdict
	for _, m := range r.Without.Candidates {
		verdicts = append(verdicts, m.Verdict)
	}
	if verdicts[1] != compare.Worse || verdicts[2] == compare.Worse {
		t.Errorf("without loops=4, and without io=b: %v", verdicts)
	}
	if last := h.calls[len(h.calls)-1]; len(last) != 2 || last[1].Name("x") != "x,loops=4" {
		t.Errorf("the confirmation measured %v", last)
	}
	if said := strings.Join(r.Verdicts(), " "); !strings.Contains(said, "io=b is left out") || !strings.Contains(said, "x,loops=4 is better than the defaults") {
		t.Errorf("said: %s", said)
	}
}

func TestSearchKeepsWhatItHas(t *testing.T) {
	h := &host{rng: rand.New(rand.NewPCG(1, 1)), cost: sets(map[string]float64{"loops=2": 0.5}), fail: 2}
	r, err := Search(context.Background(), terms(CPU), h.measure)
	if !errors.Is(err, errHost) || r.Complete || len(r.Chosen) > 0 || len(r.Sweeps) != 2 {
		t.Fatalf("%v: %+v; want two sweeps, nothing chosen and the error", err, r)
	}
	if m := r.Sweeps[1].Candidates[1]; m.Trials != 1 || m.Verdict != compare.TooFewTrials || m.Reason == "" {
		t.Errorf("cut off after a round: %+v", m)
	}
	if !r.Judged() {
		t.Error("the first sweep was judged")
	}
}

// TestTrialsThatDoNotCount has one value whose trials do not.
func TestTrialsThatDoNotCount(t *testing.T) {
	h := &host{rng: rand.New(rand.NewPCG(1, 1)), cost: sets(map[string]float64{"loops=2": 0.1, "loops=4": 0.5})}
	r, err := Search(context.Background(), terms(Throughput), func(ctx context.Context, all []Candidate, rounds int) ([]results.Trial, error) {
		trials, err := h.measure(ctx, all, rounds)
		for i := range trials {
			if strings.Contains(trials[i].Target, "loops=2") && trials[i].Trial > 2 {
				trials[i].Valid = false
			}
		}
		return trials, err
	})
	if err != nil {
		t.Fatal(err)
	}
	two, four := r.Sweeps[0].Candidates[1], r.Sweeps[0].Candidates[2]
	if two.Valid != 2 || two.Trials != 9 || two.Verdict != compare.TooFewTrials {
		t.Errorf("loops=2: %+v", two)
	}
	if four.Verdict != compare.Better || !(four.Ratio > 1.8 && four.Lo < four.Ratio && four.Ratio < four.Hi) {
		t.Errorf("loops=4 answers twice as many: %+v", four)
	}
	if got := fmt.Sprint(r.Chosen); got != "[{loops 4 false}]" {
		t.Errorf("chosen: %s", got)
	}
}

func TestTerms(t *testing.T) {
	if c, n := terms(CPU).Candidates(), terms(CPU).Trials(); c != 9 || n != 153 {
		t.Errorf("%d candidates, %d trials; want 3+2+4 and 9 × (9+4+4)", c, n)
	}
	c := Candidate{{"loops", "2", false}, {"GOGC", "200", true}}
	if c.Spec("prefork:x,processes=2") != "prefork:x,processes=2,loops=2" || c.Env()["GOGC"] != "200" || len(c.Env()) != 1 {
		t.Errorf("%s, %v", c.Spec("prefork:x,processes=2"), c.Env())
	}
	if DefaultObjective("open") != CPU || DefaultObjective("closed") != Throughput {
		t.Error("an open loop asks what a request costs, a closed one how many are answered")
	}
}
