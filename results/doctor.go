package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// DoctorFile is where a folder of runs keeps what dyno doctor found of the
// host that they are measured on.
const DoctorFile = "doctor.json"

// Doctor is what dyno doctor found, the document dyno.doctor/1.
type Doctor struct {
	Schema      string       `json:"schema"`
	Created     time.Time    `json:"created"`
	Dyno        Build        `json:"dyno"`
	Environment Environment  `json:"environment"`
	Quick       bool         `json:"quick,omitempty"` // shorter windows, less precise
	Verdict     string       `json:"verdict"`         // fit, fit-with-limits or not-fit
	Summary     string       `json:"summary"`         // the verdict in a sentence
	Findings    []Finding    `json:"findings"`
	Calibration *Calibration `json:"calibration,omitempty"` // absent where it could not be measured
}

// The verdicts of a Doctor.
const (
	Fit           = "fit"
	FitWithLimits = "fit-with-limits"
	NotFit        = "not-fit"
)

// Finding is one thing that dyno doctor looked at.
type Finding struct {
	Code    string   `json:"code"`            // stable: docs/doctor.md explains each
	Level   string   `json:"level"`           // ok, note or problem
	Value   *float64 `json:"value,omitempty"` // in Unit
	Unit    string   `json:"unit,omitempty"`  // rps, us, pct, bytes, count, ratio
	Text    string   `json:"text,omitempty"`  // what was found where it is no number
	Message string   `json:"message"`         // in a sentence
	Hint    string   `json:"hint,omitempty"`  // what to do about it
	Limit   string   `json:"limit,omitempty"` // of a note: what cannot be measured here because of it
}

// The levels of a Finding.
const (
	LevelOK      = "ok"
	LevelNote    = "note"    // limits what figures can show, or is good to know
	LevelProblem = "problem" // figures would be wrong
)

// Calibration is what the generator does on a host against a server that does
// nothing (engine null). Figures close to it say more of the generator than of
// the server measured.
type Calibration struct {
	Created     time.Time `json:"created"`
	Dyno        Build     `json:"dyno"`
	Connections int       `json:"connections"` // of the closed loop
	Threads     int       `json:"threads"`

	CeilingRPS               float64   `json:"ceiling_rps"` // closed loop, the median window
	CeilingWindowsRPS        []float64 `json:"ceiling_windows_rps"`
	GeneratorCPUUSPerRequest float64   `json:"generator_cpu_us_per_request"`
	GeneratorBusy            float64   `json:"generator_busy"` // share of its time, at the ceiling
	ServerBusy               float64   `json:"server_busy"`    // of null's, at the ceiling

	FloorP50US float64 `json:"floor_p50_us"` // closed loop, one connection
	FloorP99US float64 `json:"floor_p99_us"`

	Pacing []Pacing `json:"pacing"` // open loop, by rate
}

// Pacing is how exactly the generator keeps to the clock at a rate.
type Pacing struct {
	RateRPS      float64   `json:"rate_rps"`
	SentRPS      float64   `json:"sent_rps"`
	LagUS        Quantiles `json:"generator_lag_us"`
	LatencyP50US float64   `json:"latency_p50_us"`
	LatencyP99US float64   `json:"latency_p99_us,omitempty"`
}

// LimitRPS is the highest rate that the generator can ask for in a closed
// loop, as far as the calibration tells. Where it was busy at the ceiling, that
// is the ceiling; where null was at its end before it, or somebody else had the
// CPUs, the generator could have gone on as far as its idle time reaches, and a
// server that comes close to null is not by that at the generator's limit.
func (c *Calibration) LimitRPS() float64 {
	const busy = 0.85
	if c.GeneratorBusy > 0 && (c.GeneratorBusy < c.ServerBusy || c.GeneratorBusy < busy) {
		return c.CeilingRPS / c.GeneratorBusy
	}
	return c.CeilingRPS
}

// PacingAt is the calibrated pacing of the lowest rate that is not below rate,
// or of the highest one.
func (c *Calibration) PacingAt(rate float64) (p Pacing, ok bool) {
	for _, p = range c.Pacing { // ascending
		if ok = true; p.RateRPS >= rate {
			break
		}
	}
	return p, ok
}

// Writable tells why nothing can be stored in the folder runs, which it makes
// if it has to, before anything is measured in vain.
func Writable(runs string) error {
	if err := os.MkdirAll(runs, 0o777); err != nil {
		return storeError(runs, err)
	}
	f, err := os.CreateTemp(runs, ".writable.*")
	if err != nil {
		return storeError(runs, err)
	}
	f.Close()           //nolint:errcheck // nothing was written
	os.Remove(f.Name()) //nolint:errcheck // an empty file is all that can stay
	return nil
}

// StoreDoctor puts d into the folder runs, in place of the one before, and
// returns where.
func StoreDoctor(runs string, d *Doctor) (string, error) {
	if err := os.MkdirAll(runs, 0o777); err != nil {
		return "", storeError(runs, err)
	}
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", DoctorFile, err)
	}
	path := filepath.Join(runs, DoctorFile)
	if err := replaceFile(path, append(b, '\n')); err != nil {
		return "", storeError(runs, err)
	}
	return path, nil
}

// ReadDoctor returns what the folder runs keeps of dyno doctor, nil if nothing.
func ReadDoctor(runs string) (*Doctor, error) {
	path := filepath.Join(runs, DoctorFile)
	b, err := readDocument(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what dyno doctor found: %w", err)
	}
	d := new(Doctor)
	if err := decode(path, b, d); err != nil {
		return nil, err
	}
	if err := checkSchema(d.Schema, DoctorSchema); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return d, nil
}
