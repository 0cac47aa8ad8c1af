package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dynobench/dyno/results"
)

func TestSweepRates(t *testing.T) {
	for text, want := range map[string][]float64{
		"1000..8000/4":   {1000, 2000, 4000, 8000},
		"1000..50000/3":  {1000, 7070, 50000},
		"0.5..2/3":       {0.5, 1, 2},
		"100, 300.5 ,50": {100, 300.5, 50},
		"7":              {7},
	} {
		if got, err := sweepRates(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1..2", "1/2", "1..2/1", "1..2/201", "2..1/3", "1,", "-1", "nan", "inf", "1..2/x", "1..inf/3", strings.Repeat("1,", 200) + "1"} {
		if got, err := sweepRates(text); err == nil || !strings.Contains(err.Error(), "--sweep") {
			t.Errorf("%q: %v, %v; want an error", text, got, err)
		}
	}
}

// TestInterruptedSearch: Ctrl-C leaves a document of what was seen.
func TestInterruptedSearch(t *testing.T) {
	var answers atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answers.Add(1)
		w.Write([]byte("hello")) //nolint:errcheck // the client may be gone
	}))
	defer server.Close()
	cmd := exec.Command("dyno", "load", server.URL, "--capacity", "--slo", "p50<1s", "-c", "2", "--json")
	cmd.Env = append(os.Environ(), "DYNO_TOLERATE=host") // a window that a neighbour spoiled gives no point
	var out, seen bytes.Buffer
	cmd.Stdout = &out
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 4096); !strings.Contains(seen.String(), "p50"); { // a window of the search
		n, err := progress.Read(buf)
		seen.Write(buf[:n])
		if err != nil {
			t.Fatalf("ended with %v: %s", err, seen.String())
		}
	}
	cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // seen below
	seen.ReadFrom(progress)            //nolint:errcheck // likewise
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("ended with %v, want exit code %d: %s", err, exitInterrupted, seen.String())
	}
	var c results.Capacity
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if !c.Interrupted || c.Schema != results.CapacitySchema || len(c.Probes) < 2 || len(c.Points) == 0 {
		t.Errorf("interrupted %v, %d probes, %d points", c.Interrupted, len(c.Probes), len(c.Points))
	}
}
