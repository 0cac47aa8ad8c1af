// Package bench is the harness: it plans trials, runs each against a fresh
// server process, meters the server from outside and stores what it saw.
//
// A plan is scenario × target × trial in an order drawn from a seed. For every
// trial, target starts the server on its own CPUs and proves it ready, meter
// reads its process tree, a generator process (dyno load) offers the
// scenario's load, and the trial goes into the store as soon as it ends.
// bench never links an engine: all it knows of a server is a command line.
package bench

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

// Options is what to run. Scenarios, Targets and Dyno must be set; other zero
// values mean defaults.
type Options struct {
	Scenarios []*scenarios.Scenario
	Targets   []target.Target
	Trials    int           // per scenario and target; default 3
	Seed      uint64        // of the order and of the load; 0 draws one
	Duration  time.Duration // of the measured window; default the scenario's
	Warmup    time.Duration // at most; default the scenario's
	Generator string        // native (default) or vegeta

	// KeepSecrets stores values of variables and credentials rather than masks.
	KeepSecrets bool

	ReadyTimeout time.Duration // of a server's start; default 15 s

	Dyno string // path of the dyno binary, for {dyno} and the generator
	Dir  string // folder of the apps' twins in other languages, for {dir}

	ServerCPUs    []int // default: meter's split of the CPUs this process may use
	GeneratorCPUs []int

	// Profile, if not "", is what Go targets are profiled for in each trial,
	// one of Profiles, into files below ProfileDir.
	Profile    string
	ProfileDir string

	// Tolerate are the codes of findings about the host that do not keep a
	// trial from counting; see Tolerable.
	Tolerate []string

	// Calibration is what dyno doctor found of this host's generator, for the
	// gates that need it; see CheckCalibration. May be nil.
	Calibration *results.Calibration

	Trust plan.Trust // of targets that are asked by https

	// Done are trials of the same plan that were measured before and are not
	// measured again; Refused are targets that were refused then.
	Done    []results.Trial
	Refused []string

	// Seen tells what happens while it happens; may be nil. It is called from
	// one goroutine.
	Seen func(Event)
}

// Event is a moment of a run.
type Event struct {
	Kind   EventKind
	Step   Step           // for TrialBegins, TrialEnds
	Trial  *results.Trial // for TrialEnds
	Target string         // for TargetVerified, TargetRefused
	Err    error          // for TargetRefused: why
	Done   int            // trials that have ended
	Total  int            // trials planned, repeats included
	Left   time.Duration  // estimate
}

// EventKind names an Event.
type EventKind string

// The events of a run, in the order in which they first come.
const (
	TargetVerified EventKind = "target-verified" // gave the right answer to every class of request
	TargetRefused  EventKind = "target-refused"  // did not, and is left out
	TrialBegins    EventKind = "trial-begins"
	TrialEnds      EventKind = "trial-ends"
)

// Step is one trial to come.
type Step struct {
	Scenario *scenarios.Scenario
	Target   target.Target
	Trial    int // 1 … Options.Trials
	Repeat   int // 0, or which repeat of a trial that the host disturbed
}

// Plan is Options with every choice made.
type Plan struct {
	Options
	Steps   []Step // in the order in which they run
	cpus    measure.CPUs
	trusted *tls.Config // by Trust
}

// NewPlan fills the defaults in and draws the order. Equal options and seed
// give the equal plan.
//
// Trials of one round stand together, a round runs scenario by scenario, and
// within a scenario the targets follow each other in a new random order: what
// is compared with each other is measured close together, and no target
// always comes after the same other one.
func NewPlan(o Options) (*Plan, error) {
	if len(o.Scenarios) == 0 {
		return nil, errors.New("no scenario to run")
	}
	if len(o.Targets) == 0 {
		return nil, errors.New("no target to run")
	}
	if o.Trials == 0 {
		o.Trials = 3
	}
	if o.Trials < 0 {
		return nil, fmt.Errorf("%d trials: at least one is needed", o.Trials)
	}
	if o.Duration < 0 || o.Warmup < 0 {
		return nil, errors.New("a duration cannot be negative")
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = 15 * time.Second
	}
	if o.Generator == "" {
		o.Generator = "native"
	}
	if o.Profile != "" && !slices.Contains(Profiles, o.Profile) {
		return nil, fmt.Errorf("profile %q: it is one of %s", o.Profile, strings.Join(Profiles, ", "))
	}
	if err := CheckTolerated(o.Tolerate); err != nil {
		return nil, err
	}
	if err := o.checkGroups(); err != nil {
		return nil, err
	}
	for o.Seed == 0 {
		o.Seed = uint64(rand.Uint32()) // short enough to type
	}
	cpus, err := measure.ChooseCPUs(o.ServerCPUs, o.GeneratorCPUs)
	if err != nil {
		return nil, err
	}
	o.ServerCPUs, o.GeneratorCPUs = cpus.Server, cpus.Generator
	names, secure := map[string]bool{}, false
	o.Targets = slices.Clone(o.Targets) // the caller's stay as they are
	for i := range o.Targets {
		t := &o.Targets[i]
		t.Protocol = cmp.Or(t.Protocol, target.DefaultProtocol)
		if names[t.Name] {
			return nil, fmt.Errorf("there are two targets named %q: give each its own name", t.Name)
		}
		names[t.Name] = true
		secure = secure || t.Protocol == target.HTTPS
		if t.Protocol != target.HTTPS && client.Lookup(t.Protocol) == nil {
			return nil, fmt.Errorf("target %q: unknown protocol %q (known: http, https, uwsgi, scgi, fastcgi)", t.Name, t.Protocol)
		}
	}
	trusted, err := o.Trust.Config()
	switch {
	case err != nil:
		return nil, err
	case trusted != nil && !secure:
		return nil, errors.New("--cacert, --insecure and certificates are for https targets, and there are none: add --protocol https")
	}
	names = map[string]bool{}
	for _, s := range o.Scenarios {
		if names[s.Name] {
			return nil, fmt.Errorf("scenario %q is there twice", s.Name)
		}
		names[s.Name] = true
	}

	p := &Plan{Options: o, cpus: cpus, trusted: trusted}
	for _, s := range o.Scenarios {
		if d := p.duration(s); s.Load.Schedule != "" && s.Load.Mean(d) == 0 {
			return nil, fmt.Errorf("scenario %q: no request is due within %v at rate %s: use a longer duration", s.Name, d, s.Load.Schedule)
		}
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	for trial := 1; trial <= o.Trials; trial++ {
		for _, i := range rng.Perm(len(o.Scenarios)) {
			for _, j := range rng.Perm(len(o.Targets)) {
				p.Steps = append(p.Steps, Step{Scenario: o.Scenarios[i], Target: o.Targets[j], Trial: trial})
			}
		}
	}
	return p, p.checkDone()
}

// Environment is what the figures of the plan will depend on.
func (p *Plan) Environment() results.Environment { return p.cpus.Environment() }

// duration is the measured window of a trial of s, warmup its longest warm-up.
func (p *Plan) duration(s *scenarios.Scenario) time.Duration {
	if p.Duration > 0 {
		return p.Duration
	}
	return s.Duration
}

func (p *Plan) warmup(s *scenarios.Scenario) time.Duration {
	if p.Warmup > 0 {
		return p.Warmup
	}
	return s.Warmup
}

// Length is how long the plan takes at most, without repeats.
func (p *Plan) Length() time.Duration {
	var d time.Duration
	for _, s := range p.Steps {
		d += p.duration(s.Scenario) + p.warmup(s.Scenario) + perTrial
	}
	return d
}

// perTrial is about what a trial takes beside its load: two process starts,
// readiness, drain.
const perTrial = 200 * time.Millisecond

// Addresses are where a server listens, each a host:port.
type Addresses struct {
	Serve        string
	Stats, Pprof string // where it tells of itself, if it does
}

// Server is the command that serves a step at those addresses.
func (p *Plan) Server(s Step, at Addresses) (target.Command, error) {
	return s.Target.Expand(target.Vars{
		Dyno: p.Dyno, Dir: p.Dir, App: s.Scenario.App, CPUs: p.ServerCPUs,
		Addr: at.Serve, Stats: at.Stats, Pprof: at.Pprof,
	})
}

// Load is the command that offers a step's load to the server at addr.
func (p *Plan) Load(s Step, addr string) target.Command {
	argv := []string{p.Dyno, "load", s.Target.Protocol + "://" + addr}
	if s.Scenario.Source != "" { // else it is what the generator does unless told otherwise
		argv = append(argv, "--scenario", s.Scenario.Source)
	}
	argv = append(argv,
		"--duration", p.duration(s.Scenario).String(),
		"--warmup", p.warmup(s.Scenario).String(),
		"--seed", strconv.FormatUint(p.loadSeed(s), 10),
		"--threads", strconv.Itoa(p.threads()),
		"--generator", p.Generator,
		"--json",
	)
	if s.Target.Protocol == target.HTTPS {
		argv = append(argv, p.Trust.Args()...)
	}
	return target.Command{Name: "generator", Argv: argv, CPUs: p.GeneratorCPUs}
}

// threads is how many a generator gets: vegeta has none of its own.
func (p *Plan) threads() int {
	if p.Generator == "vegeta" {
		return 1
	}
	return p.cpus.Threads()
}

// loadSeed differs from trial to trial and is the same for all targets, so
// that all of them see the same schedule.
func (p *Plan) loadSeed(s Step) uint64 { return p.Seed + uint64(s.Trial) }

// Describe is the plan as it is stored.
func (p *Plan) Describe() results.Plan {
	d := results.Plan{SecretsKept: p.KeepSecrets, Seed: p.Seed, Trials: p.Trials, Generator: p.Generator, Profile: p.Profile, Tolerate: p.Tolerate}
	for _, s := range p.Scenarios {
		ps := results.PlanScenario{
			Name: s.Name, Summary: s.Summary, Shows: s.Shows, Model: s.Load.Model,
			Arrivals: s.Load.Arrivals, RateRPS: s.Load.Mean(p.duration(s)), RateProfile: s.Load.Schedule,
			Connections: s.Load.Connections, DurationS: p.duration(s).Seconds(), Groups: groupSpecs(s),
			WarmupS: p.warmup(s).Seconds(), App: s.App, Source: s.Source, Definition: s.Definition,
		}
		seen := map[string]bool{}
		for _, r := range s.Requests {
			ps.Requests = append(ps.Requests, describe(r, s.Data))
			if !seen[r.Class] {
				seen[r.Class] = true
				ps.Classes = append(ps.Classes, r.Class)
			}
		}
		d.Scenarios = append(d.Scenarios, ps)
	}
	for _, t := range p.Targets {
		d.Targets = append(d.Targets, results.PlanTarget{
			Name: t.Name, Summary: t.Summary, Kind: t.Kind, Spec: t.Spec, Command: t.Command,
			Protocol: t.Protocol, Ready: t.Ready, DrainS: t.Drain.Seconds(), Signal: t.Signal, Env: slices.Sorted(maps.Keys(t.Env)),
		})
	}
	if p.Trust != (plan.Trust{}) {
		trust := results.Trust(p.Trust)
		d.Trust = &trust
	}
	if !p.KeepSecrets {
		d.MaskSecrets()
	}
	d.ReadyTimeoutS = p.ReadyTimeout.Seconds()
	d.Planned = d.Count()
	return d
}

// describe tells a request in a line: two scenarios that ask the same have the
// same lines.
func describe(r scenarios.Request, data scenarios.Data) string {
	line := fmt.Sprintf("%d × %s %s", r.Weight, r.Method, r.Path)
	for _, k := range slices.Sorted(maps.Keys(r.Headers)) {
		line += fmt.Sprintf(" %s: %s", k, r.Headers[k])
	}
	if r.Body != "" {
		line += fmt.Sprintf(" with %d bytes (SHA-256 %.8x)", len(r.Body), sha256.Sum256([]byte(r.Body)))
	}
	if r.Verbatim {
		line += ", verbatim"
	} else if t, err := r.Templates(&data); err == nil && t.TakesData() && data.Rows != nil {
		line += fmt.Sprintf(", rows of %s in %s (SHA-256 %.16s)", filepath.Base(data.File), data.Order, data.Rows.SHA256())
	}
	return line
}

// groupSpecs are the groups of a scenario as a plan states them.
func groupSpecs(s *scenarios.Scenario) (specs []string) {
	for _, g := range s.Load.Groups {
		specs = append(specs, g.String())
	}
	return specs
}

// checkGroups says which scenario asks for more than the generator has.
func (o *Options) checkGroups() error {
	for _, s := range o.Scenarios {
		if len(s.Load.Groups) > 0 && o.Generator != "native" {
			return fmt.Errorf("scenario %s has connection groups, which the %s generator does not support: use the native one", s.Name, o.Generator)
		}
	}
	return nil
}
