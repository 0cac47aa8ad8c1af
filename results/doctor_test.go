package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDoctorIsKept(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	if d, err := ReadDoctor(runs); d != nil || err != nil {
		t.Fatalf("a folder that is not there holds %v (%v)", d, err)
	}
	zero := 0.0
	want := &Doctor{
		Schema: DoctorSchema, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Verdict: Fit, Summary: "Fit to measure.",
		Findings:    []Finding{{Code: "steal", Level: LevelOK, Value: &zero, Unit: "pct", Message: "None."}, {Code: "clock", Level: LevelNote, Text: "tsc", Message: "Fine."}},
		Calibration: &Calibration{CeilingRPS: 1e5, Pacing: []Pacing{{RateRPS: 1000, LagUS: Quantiles{P99: 40}}}},
	}
	for range 2 { // the second replaces the first
		path, err := StoreDoctor(runs, want)
		if err != nil {
			t.Fatal(err)
		}
		if path != filepath.Join(runs, DoctorFile) {
			t.Errorf("stored in %s", path)
		}
	}
	got, err := ReadDoctor(runs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if files, _ := os.ReadDir(runs); len(files) != 1 {
		t.Errorf("%d files are left, want one", len(files))
	}
	if ids, err := List(runs); len(ids) > 0 || err != nil {
		t.Errorf("it counts as runs %v (%v)", ids, err)
	}
}

func TestDoctorRefuses(t *testing.T) {
	for content, says := range map[string]string{
		`{"schema":"dyno.doctor/2"}`: "upgrade dyno",
		`{"schema":"dyno.run/1"}`:    "is dyno.run/1",
		`{"schema":"dyno.doctor/1",`: DoctorFile + ":1:",
	} {
		runs := t.TempDir()
		if err := os.WriteFile(filepath.Join(runs, DoctorFile), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadDoctor(runs); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", content, err, says)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "runs")
	_, err := StoreDoctor(below, &Doctor{})
	for _, err := range []error{err, Writable(below)} {
		if err == nil || !strings.Contains(err.Error(), "choose another folder") {
			t.Errorf("below a file: %v", err)
		}
	}
	runs := filepath.Join(t.TempDir(), "new")
	if err := Writable(runs); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(runs); len(files) > 0 || err != nil {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}

func TestPacingAt(t *testing.T) {
	c := Calibration{Pacing: []Pacing{{RateRPS: 1000}, {RateRPS: 10_000}}}
	for rate, want := range map[float64]float64{1: 1000, 1000: 1000, 1001: 10_000, 1e6: 10_000} {
		if p, ok := c.PacingAt(rate); !ok || p.RateRPS != want {
			t.Errorf("pacing for %v/s is that of %v/s, want %v", rate, p.RateRPS, want)
		}
	}
	if _, ok := new(Calibration).PacingAt(1); ok {
		t.Error("pacing out of nothing")
	}
}
