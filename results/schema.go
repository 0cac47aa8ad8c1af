// Package results is what dyno stores: the schema of its two documents, the
// histograms inside them and the folder that holds a run. It holds raw counts
// and mergeable histograms; every summary that a person reads is derived from
// them (package report) so that it can be derived again, better, years later.
//
// It imports nothing of dyno's. The generator (bench/load) fills a Load, the
// harness (bench) wraps it into a Trial, and results/stats, results/compare
// and results/report only read.
//
// Units are part of the JSON names (_us microseconds, _s seconds, _pct per
// cent of one hundred, _bytes octets). An unknown value is absent, never null
// and never zero by accident.
package results

import (
	"slices"
	"time"
)

// The schema names. The number is the major version: it grows when a reader
// of the old one would misread the new one; adding a field does not count.
const (
	LoadSchema     = "dyno.load/1"
	CapacitySchema = "dyno.capacity/1"
	DoctorSchema   = "dyno.doctor/1"
	RunSchema      = "dyno.run/1"
	CompareSchema  = "dyno.compare/1"
	TuneSchema     = "dyno.tune/1"
	VerdictSchema  = "dyno.verdict/1"
)

// Load is what one run of the generator saw, the document dyno.load/1.
type Load struct {
	Schema      string  `json:"schema"`
	URL         string  `json:"url"`
	Generator   string  `json:"generator"`           // native or vegeta
	Transport   string  `json:"transport,omitempty"` // native: how it talks to the kernel
	Model       string  `json:"model"`               // closed or open
	Arrivals    string  `json:"arrivals,omitempty"`  // open model: constant, poisson or recorded
	Seed        uint64  `json:"seed,omitempty"`      // of the arrival schedule and the choice of classes
	Connections int     `json:"connections"`
	Pipeline    int     `json:"pipeline,omitempty"`               // requests under way on a connection at most, where more than one
	Fresh       bool    `json:"connection_per_request,omitempty"` // a connection for each request
	Threads     int     `json:"threads"`
	RateRPS     float64 `json:"rate_rps"`               // offered rate, the mean of a profile; 0 in the closed model
	RateProfile string  `json:"rate_profile,omitempty"` // where the rate changes over the window

	WindowStart time.Time `json:"window_start,omitzero"` // of the measured window, in UTC
	WarmupS     float64   `json:"warmup_s"`              // what went before and is not counted below
	DurationS   float64   `json:"duration_s"`            // the measured window
	Requests    int64     `json:"requests"`              // due in the window and answered, right or wrong
	// WindowAnswers are the answers, right or wrong, each by the share of its
	// time (sent to done) that lies within the window. What happens per unit of
	// time, a rate or CPU, is for this number of requests: those due in the
	// window are more or fewer by the ones across its edges.
	WindowAnswers float64 `json:"window_answers,omitempty"`
	BytesRead     int64   `json:"bytes_read"`
	ThroughputRPS float64 `json:"throughput_rps"` // right answers per second of the window, counted as WindowAnswers are
	Errors        Errors  `json:"errors"`

	LatencyUS Quantiles `json:"latency_us"`  // done − intended: what a user waits
	ServiceUS Quantiles `json:"service_us"`  // done − sent: what the server adds
	SendLagUS Quantiles `json:"send_lag_us"` // sent − intended: what waits in the schedule
	// GeneratorLagUS is the part of the send lag that the generator itself
	// causes: from when a request is due and a connection is free to when the
	// generator acts on it. Waiting for a connection is the server's doing.
	GeneratorLagUS Quantiles `json:"generator_lag_us,omitzero"`

	GeneratorCPUUSPerRequest float64 `json:"generator_cpu_us_per_request,omitempty"`
	GeneratorCPUUtilisation  float64 `json:"generator_cpu_utilisation,omitempty"` // busiest thread, 0 to 1

	Histogram   string       `json:"histogram"`              // of latency in ns: EncodeHistogram
	Classes     []ClassStats `json:"classes,omitempty"`      // one per request class, in the scenario's order
	Series      []Point      `json:"series,omitempty"`       // the window in steps of 100 ms
	Connection  Fairness     `json:"connection"`             // how the answers spread over the connections
	Groups      []Group      `json:"groups,omitempty"`       // connections beside the busy ones
	GroupsCPUS  float64      `json:"groups_cpu_s,omitempty"` // what they cost the generator in the window; part of its CPU per request
	Reconnects  int64        `json:"reconnects,omitempty"`   // connections made again after the first ones, within the window
	Resent      int64        `json:"resent,omitempty"`       // requests sent again, since an idle close had cut them
	TLS         *TLS         `json:"tls,omitempty"`          // native generator, https: what was agreed on
	Interrupted bool         `json:"interrupted,omitempty"`  // stopped before its time; what is here is what was seen
	Cut         int64        `json:"cut,omitempty"`          // due in the window and in flight when the run was interrupted: no errors
	WholeRun    WholeRun     `json:"whole_run,omitzero"`     // what the server can have seen

	Objective *Objective `json:"objective,omitempty"` // what was asked of the server
	// AtLeast says that ThroughputRPS is a lower bound of what the server can do,
	// and the latencies of a closed loop are upper ones: the generator was, or may
	// have been, the limit. A warning says why.
	AtLeast bool `json:"throughput_at_least,omitempty"`

	Valid    bool      `json:"valid"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// WholeRun counts what was sent from the beginning of a run to its end, the
// warm-up and what lies across the window's edges included: Sent is the sum of
// the others. What a server has counted itself lies between Answered and Sent.
type WholeRun struct {
	Sent     int64 `json:"sent"`             // a request that was sent again counts again
	Answered int64 `json:"answered"`         // right or wrong
	Again    int64 `json:"again,omitempty"`  // sent for nothing, since their connection ended, and then sent again
	Failed   int64 `json:"failed,omitempty"` // sent and not answered: connection lost, timed out
	Cut      int64 `json:"cut,omitempty"`    // sent and given up when the run was over
}

// Add adds what another thread has sent.
func (w *WholeRun) Add(o WholeRun) {
	w.Sent += o.Sent
	w.Answered += o.Answered
	w.Again += o.Again
	w.Failed += o.Failed
	w.Cut += o.Cut
}

// Answered is how many answers the window holds, for what is spent per answer.
// Documents from before WindowAnswers have only those due in the window.
func (l *Load) Answered() float64 {
	if l.WindowAnswers > 0 {
		return l.WindowAnswers
	}
	return float64(l.Requests)
}

// Objective is a service level objective and what came of it.
type Objective struct {
	Text  string `json:"text"` // as "p99<10ms,errors<0.1%"
	Met   bool   `json:"met"`
	Terms []Term `json:"terms"`
}

// Term is one bound of an Objective.
type Term struct {
	Text string   `json:"text"`           // as "p99<10ms"
	Seen *float64 `json:"seen,omitempty"` // in the unit of the term: µs, requests/s or per cent; absent where too few samples tell
	Met  bool     `json:"met"`
	// Reason says why nothing was seen.
	Reason string `json:"reason,omitempty"`
}

// Errors counts failed requests by what failed. A request is in one of them at
// most; none of them is in ThroughputRPS.
type Errors struct {
	Connect int64 `json:"connect"` // connection refused, reset while opening, no port left
	Read    int64 `json:"read"`    // connection lost or answer malformed before the answer was whole
	Write   int64 `json:"write"`   // connection lost while sending
	Timeout int64 `json:"timeout"` // no whole answer in time
	Status  int64 `json:"status"`  // another status than expected
	Body    int64 `json:"body"`    // another length or other bytes than expected
	Unsent  int64 `json:"unsent"`  // due in the window and never sent
}

// Total is the number of failed requests.
func (e Errors) Total() int64 {
	return e.Connect + e.Read + e.Write + e.Timeout + e.Status + e.Body + e.Unsent
}

// A Failure is one kind of error, and how many requests ended so.
type Failure struct {
	Kind string
	N    int64
}

// Kinds lists the kinds of errors that there were.
func (e Errors) Kinds() []Failure {
	all := []Failure{
		{"connect", e.Connect}, {"read", e.Read}, {"write", e.Write}, {"timeout", e.Timeout},
		{"status", e.Status}, {"body", e.Body}, {"unsent", e.Unsent},
	}
	return slices.DeleteFunc(all, func(f Failure) bool { return f.N == 0 })
}

// Quantiles summarises one histogram in microseconds. A percentile that the
// number of samples does not support is absent.
type Quantiles struct {
	Min   float64 `json:"min,omitempty"`
	Mean  float64 `json:"mean,omitempty"`
	P50   float64 `json:"p50,omitempty"`
	P90   float64 `json:"p90,omitempty"`
	P95   float64 `json:"p95,omitempty"`
	P99   float64 `json:"p99,omitempty"`
	P999  float64 `json:"p99_9,omitempty"`
	P9999 float64 `json:"p99_99,omitempty"`
	Max   float64 `json:"max,omitempty"`
}

// ClassStats is what one class of requests saw.
type ClassStats struct {
	Class     string    `json:"class"`
	Requests  int64     `json:"requests"`
	Errors    int64     `json:"errors"`
	LatencyUS Quantiles `json:"latency_us"`
	Histogram string    `json:"histogram"` // of latency in ns
}

// Point is one step of the time series.
type Point struct {
	TS      float64 `json:"t_s"`            // start of the step, from the start of the window
	Sent    int64   `json:"sent,omitempty"` // sent in the step
	Done    int64   `json:"done"`           // answered in the step, whenever due
	Errors  int64   `json:"errors,omitempty"`
	Backlog int64   `json:"backlog,omitempty"` // open model: due in the window and not yet sent, or given up, at the end of the step
	P50US   float64 `json:"p50_us,omitempty"`
	P99US   float64 `json:"p99_us,omitempty"`
	MaxUS   float64 `json:"max_us,omitempty"`
	// Histogram is of the latencies in ns of what was answered in the step, to
	// two digits, where the steps were asked for: EncodeHistogram.
	Histogram string `json:"histogram,omitempty"`
}

// Group is what connections beside the busy ones saw: idle ones, slow ones,
// storms. Its requests are in no other figure of the Load.
type Group struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"`               // idle, slow-send, slow-read or storm
	Spec        string `json:"spec"`               // all that was asked, in the form of dyno load --group
	Connections int    `json:"connections"`        // held; in a storm, opened at a time
	Opened      int64  `json:"opened"`             // connections made within the window, and those that stood at its beginning
	Refused     int64  `json:"refused,omitempty"`  // could not be made
	Unopened    int64  `json:"unopened,omitempty"` // of a storm: due while as many as are allowed were still open
	Closed      int64  `json:"closed,omitempty"`   // by the server while they were in use
	Standing    int64  `json:"standing,omitempty"` // at the end of the window
	Requests    int64  `json:"requests,omitempty"` // answered within the window, right or wrong
	Errors      int64  `json:"errors,omitempty"`   // requests answered wrongly or not at all
	BytesSent   int64  `json:"bytes_sent,omitempty"`
	BytesRead   int64  `json:"bytes_read,omitempty"`
	// LatencyUS is of the answers, from when the first byte of the request was
	// sent; ConnectUS is of the connections opened.
	LatencyUS Quantiles `json:"latency_us,omitzero"`
	ConnectUS Quantiles `json:"connect_us,omitzero"`
	// HeldUS is how long the server kept those connections that it closed.
	HeldUS Quantiles `json:"held_us,omitzero"`
}

// Fairness tells how the answers spread over the connections. A server that
// starves some of its connections hides it from every percentile of a closed
// loop; here it shows.
type Fairness struct {
	Min     int64 `json:"min"`               // answers of the worst-served connection
	P50     int64 `json:"p50"`               // of the median connection
	Max     int64 `json:"max"`               // of the best-served connection
	Starved int   `json:"starved,omitempty"` // connections with no answer at all
	// Jain is Jain's fairness index (Jain, Chiu and Hawe, DEC-TR-301, 1984):
	// (Σx)² / n·Σx² of the answers x of n connections. It is 1 where all got
	// as many, and k/n where k of them share everything.
	Jain float64 `json:"jain,omitempty"`
}

// Warning says what is wrong with a trial, or odd about it. Codes are stable;
// see docs/validity.md for each.
type Warning struct {
	Code    string `json:"code"`              // e.g. generator-bound
	Message string `json:"message"`           // what was seen, with figures
	Hint    string `json:"hint,omitempty"`    // what to do about it
	Invalid bool   `json:"invalid,omitempty"` // the trial does not count because of it
	// Tolerated says that the trial would not count because of it, but for
	// --tolerate.
	Tolerated bool `json:"tolerated,omitempty"`

	Measure *Measure `json:"measure,omitempty"` // how bad it is; absent where it is a fact without a degree
}

// Warn appends w and withdraws the validity if w says so. It returns the
// Load's own copy, for what is to be said beyond it.
func (l *Load) Warn(w Warning) *Warning {
	l.Warnings = append(l.Warnings, w)
	if w.Invalid {
		l.Valid = false
	}
	return &l.Warnings[len(l.Warnings)-1]
}

// Excuse makes the warnings with code mere warnings, and the Load valid if
// nothing else is wrong with it, because of what somebody who has seen more
// knows.
func (l *Load) Excuse(code, because string) {
	l.Valid = true
	for i := range l.Warnings {
		w := &l.Warnings[i]
		if w.Code == code && w.Invalid {
			w.Invalid, w.Message = false, w.Message+"; "+because
		}
		l.Valid = l.Valid && !w.Invalid
	}
}

// Run is the document dyno.run/1, stored as run.json.
type Run struct {
	Schema      string      `json:"schema"`
	ID          string      `json:"id"`
	Created     time.Time   `json:"created"`
	Dyno        Build       `json:"dyno"`
	Environment Environment `json:"environment"`
	Plan        Plan        `json:"plan"`
	Trials      []Trial     `json:"trials"`                // in the order in which they ran
	Interrupted bool        `json:"interrupted,omitempty"` // by a signal
	Resumed     []time.Time `json:"resumed,omitempty"`     // when it was gone on with, after it had been killed or interrupted
	Finished    time.Time   `json:"finished,omitzero"`     // when the plan had been carried out; absent where it was not: see Tally

	Calibration *Calibration `json:"calibration,omitempty"` // of the generator on this host, that the trials were judged against
}

// Build says which dyno measured.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	SHA256  string `json:"sha256,omitempty"` // of the program
}

// Environment is what the figures depend on and a reader cannot see.
type Environment struct {
	OS            string   `json:"os"`
	Arch          string   `json:"arch"`
	Kernel        string   `json:"kernel,omitempty"`
	CPUModel      string   `json:"cpu_model,omitempty"`
	CPUs          int      `json:"cpus"` // that this process may use
	ServerCPUs    []int    `json:"server_cpus,omitempty"`
	GeneratorCPUs []int    `json:"generator_cpus,omitempty"`
	CPUsShared    bool     `json:"cpus_shared,omitempty"`   // server and generator on the same ones
	CPUsOneCore   bool     `json:"cpus_one_core,omitempty"` // theirs are siblings on one core, and slow each other down
	MemoryBytes   int64    `json:"memory_bytes,omitempty"`
	Virtual       string   `json:"virtual,omitempty"` // hypervisor, where the system tells
	ClockSource   string   `json:"clock_source,omitempty"`
	Governor      string   `json:"governor,omitempty"`
	OpenFiles     uint64   `json:"open_files,omitempty"` // soft limit
	SoMaxConn     int      `json:"somaxconn,omitempty"`
	Variables     []string `json:"variables,omitempty"` // GO… settings that change what is measured, as KEY=value
}

// Plan is what was to be done; with the seed it fixes the order of the trials.
type Plan struct {
	// SecretsKept says that values of variables and credentials are told; else
	// they are masked.
	SecretsKept bool `json:"secrets_kept,omitempty"`

	Command   []string       `json:"command"` // the command line that makes the same plan, seed included
	Seed      uint64         `json:"seed"`
	Trials    int            `json:"trials"`            // per scenario and target
	Planned   int            `json:"planned,omitempty"` // trials in all, repeats not included; absent in runs of older versions
	Generator string         `json:"generator"`
	Profile   string         `json:"profile,omitempty"`  // what Go targets were profiled for: cpu, mutex, block or trace
	Tolerate  []string       `json:"tolerate,omitempty"` // codes of findings about the host in spite of which trials count
	Scenarios []PlanScenario `json:"scenarios"`
	Targets   []PlanTarget   `json:"targets"`
	Skipped   []Skip         `json:"skipped,omitempty"`

	ReadyTimeoutS float64 `json:"ready_timeout_s,omitempty"`
	TargetsFile   *File   `json:"targets_file,omitempty"` // with rows of the user's
	Trust         *Trust  `json:"trust,omitempty"`        // of targets that are asked by https
}

// Trust says whom the generator trusts behind https, by the names of files.
type Trust struct {
	Insecure    bool   `json:"insecure,omitempty"`
	Authorities string `json:"authorities,omitempty"`
	ServerName  string `json:"server_name,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
}

// PlanScenario is the part of a scenario that a report needs.
type PlanScenario struct {
	Name        string   `json:"name"`
	Summary     string   `json:"summary"`
	Shows       string   `json:"shows"`
	Model       string   `json:"model"`
	Arrivals    string   `json:"arrivals,omitempty"`
	RateRPS     float64  `json:"rate_rps,omitempty"`     // the mean of a profile
	RateProfile string   `json:"rate_profile,omitempty"` // where the rate changes over the window
	Connections int      `json:"connections"`
	DurationS   float64  `json:"duration_s"`
	Classes     []string `json:"classes,omitempty"`
	Requests    []string `json:"requests,omitempty"` // as "99 × GET /hello"; with a body, its length and digest
	Groups      []string `json:"groups,omitempty"`   // connections beside the busy ones, in the form of dyno load --group

	// What the scenario is made from again when the run is resumed.
	WarmupS    float64 `json:"warmup_s,omitempty"`
	App        string  `json:"app,omitempty"`
	Source     string  `json:"source,omitempty"`     // its name, or the path of its file
	Definition string  `json:"definition,omitempty"` // its YAML
}

// PlanTarget is a server that the plan compares.
type PlanTarget struct {
	Name    string   `json:"name"`
	Summary string   `json:"summary,omitempty"`
	Kind    string   `json:"kind"` // engine, yardstick or outside
	Spec    string   `json:"spec,omitempty"`
	Command []string `json:"command"`          // the argv template, before {addr} and the like are filled in
	Trials  []int    `json:"trials,omitempty"` // the rounds in which it has a trial, where not in all

	Protocol string   `json:"protocol,omitempty"`
	Ready    string   `json:"ready,omitempty"` // the path of the request by which it proves ready
	DrainS   float64  `json:"drain_s,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Env      []string `json:"env,omitempty"`   // the names of what its row adds to the environment
	Files    []File   `json:"files,omitempty"` // that its command names: programs, scripts, settings
}

// File is a file as it was when the run began.
type File struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Skip is a target that could not run, and why.
type Skip struct {
	Target string `json:"target"`
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"` // the command that installs what is missing

	// Refused: it was started, and did not give right answers.
	Refused bool `json:"refused,omitempty"`
}

// Trial is one fresh server process under one scenario: the generator's
// document plus what the harness saw of the server and of the host.
type Trial struct {
	Load

	Scenario      string    `json:"scenario"`
	Target        string    `json:"target"`
	Spec          string    `json:"spec,omitempty"`
	Protocol      string    `json:"protocol"`
	Trial         int       `json:"trial"` // 1 … Plan.Trials
	Order         int       `json:"order"` // place in the run, from 1
	Started       time.Time `json:"started"`
	ServerCommand []string  `json:"server_command"`
	LoadCommand   []string  `json:"load_command"`
	Server        Server    `json:"server"`
	Host          Host      `json:"host"`

	Occupancy *Occupancy `json:"occupancy,omitempty"` // how full the server was in the window
	Profiles  []string   `json:"profiles,omitempty"`  // files made of it, relative to the run's folder; Plan.Profile is their kind
}

// Occupancy is how full a server was, read every so often over the window. A
// column that nobody could tell is absent; the others are as long as TS.
type Occupancy struct {
	PeriodS float64   `json:"period_s"`          // between two readings
	TS      []float64 `json:"t_s"`               // of each, from the start of the window
	Slots   int64     `json:"slots,omitempty"`   // that requests, or connections, can be in, as the server says; absent for any number
	Busy    []int64   `json:"busy,omitempty"`    // of them, as the server says
	Queue   []int64   `json:"queue,omitempty"`   // connections accepted and waiting for a slot, as the server says
	Backlog []int64   `json:"backlog,omitempty"` // connections that wait in the kernel to be accepted
}

// Server is what the server's process tree used in the measured window; peaks
// are over the whole trial.
type Server struct {
	CPUUSPerRequest        float64 `json:"cpu_us_per_request,omitempty"`
	CPUUserS               float64 `json:"cpu_user_s"`
	CPUSystemS             float64 `json:"cpu_system_s"`
	CPUS                   float64 `json:"cpu_s"`                    // from the scheduler, in ns resolution; user and system are ticks
	PSSPeakBytes           int64   `json:"pss_peak_bytes,omitempty"` // proportional set size of the tree: pages shared by processes count once
	RSSPeakBytes           int64   `json:"rss_peak_bytes"`           // summed over the tree; pages shared by workers count in each
	CPUUnseenS             float64 `json:"cpu_unseen_s,omitempty"`   // the part of it of processes that nobody waited for and that only a control group has counted
	ThreadsPeak            int     `json:"threads_peak"`
	ProcessesPeak          int     `json:"processes_peak"`
	CtxSwitchesVoluntary   int64   `json:"ctx_switches_voluntary"`
	CtxSwitchesInvoluntary int64   `json:"ctx_switches_involuntary"`
}

// Host is what the machine did to the trial.
type Host struct {
	StealPct         float64 `json:"steal_pct"`
	PSICPUSomePct    float64 `json:"psi_cpu_some_pct,omitempty"`
	PSIMemorySomePct float64 `json:"psi_memory_some_pct,omitempty"` // of the time in which tasks waited for memory
	// Sides are what it did to the server and to the generator.
	Sides []HostSide `json:"sides,omitempty"`
}

// HostSide is what the host did to the server, or to the generator.
type HostSide struct {
	Name       string  `json:"name"`                  // server or generator
	ForeignPct float64 `json:"foreign_pct"`           // of its CPUs' time, by processes that are not dyno's or the server's
	RunDelayS  float64 `json:"run_delay_s"`           // that its threads waited for a CPU, summed up, whoever had it
	WaitedS    float64 `json:"waited_s,omitempty"`    // that one thread waited at least for processes of others
	ThrottledS float64 `json:"throttled_s,omitempty"` // that a quota held it back
}
