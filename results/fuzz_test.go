package results

import (
	"io"
	"os"
	"testing"
)

func FuzzRead(f *testing.F) {
	h := NewHistogram()
	RecordNS(h, 1500)
	text, err := EncodeHistogram(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"schema": "dyno.run/1", "id": "x", "plan": {"command": ["dyno", "run"], "seed": 1, "trials": 2, "scenarios": [{"name": "a"}], "targets": [{"name": "b"}]},
 "trials": [{"schema": "dyno.load/1", "scenario": "a", "target": "b", "trial": 1, "valid": true, "requests": 5, "duration_s": 1, "throughput_rps": 5, "histogram": "` + text + `",
 "classes": [{"class": "c", "histogram": "` + text + `"}], "series": [{"t_s": 0, "done": 5}], "occupancy": {"period_s": 1, "t_s": [0], "busy": [1]}}]}`))
	f.Add([]byte(`{"schema": "dyno.run/2"}`))
	f.Add([]byte(`{"schema": "dyno.run/1", "plan": {"trials": 1e9, "scenarios": [{}, {}], "targets": [{}]}}`))
	f.Add([]byte("\ufeff{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := parseRun("run.json", data)
		if err != nil {
			return
		}
		run = Printable(run)
		run.Plan.MaskSecrets()
		for i := range run.Trials {
			if h, err := DecodeHistogram(run.Trials[i].Histogram); err == nil && h.TotalCount() > mostSamples {
				t.Error("a histogram beyond its bounds")
			}
		}
		// None of these may panic or go on for ever; their errors are fine.
		WriteCSV(io.Discard, run)          //nolint:errcheck
		WriteBenchmark(io.Discard, run)    //nolint:errcheck
		WriteTrialLog(io.Discard, run, "") //nolint:errcheck
		for _, name := range LatencyNames(run) {
			if h, err := MergedLatency(run, name); err == nil {
				WritePercentiles(io.Discard, h) //nolint:errcheck
			}
		}
	})
}

func TestReadTakesAByteOrderMark(t *testing.T) {
	path := t.TempDir() + "/run.json"
	if err := os.WriteFile(path, []byte("\ufeff{\"schema\": \"dyno.run/1\"}\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err != nil {
		t.Error(err)
	}
}
