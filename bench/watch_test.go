package bench

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynobench/dyno/bench/gauge"
	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/results"
	"github.com/dynobench/dyno/scenarios"
)

func TestOccupancy(t *testing.T) {
	began := time.Now()
	at := func(ms int, slots, busy, queue, backlog int64) gauge.Sample {
		return gauge.Sample{Time: began.Add(time.Duration(ms) * time.Millisecond), Slots: slots, Busy: busy, Queue: queue, Backlog: backlog}
	}
	for name, tt := range map[string]struct {
		samples []gauge.Sample
		want    *results.Occupancy
	}{
		"all":                {[]gauge.Sample{at(0, 8, 1, 0, 5), at(101, 8, 8, 2, 0)}, &results.Occupancy{PeriodS: 0.2, Slots: 8, TS: []float64{0, 0.101}, Busy: []int64{1, 8}, Queue: []int64{0, 2}, Backlog: []int64{5, 0}}},
		"any number":         {[]gauge.Sample{at(0, 0, 1, 0, -1)}, &results.Occupancy{PeriodS: 0.2, TS: []float64{0}, Busy: []int64{1}, Queue: []int64{0}}},
		"the kernel alone":   {[]gauge.Sample{at(0, -1, -1, -1, 5)}, &results.Occupancy{PeriodS: 0.2, TS: []float64{0}, Backlog: []int64{5}}},
		"a server that gaps": {[]gauge.Sample{at(0, -1, -1, -1, 5), at(100, 4, 4, -1, 6)}, &results.Occupancy{PeriodS: 0.2, Slots: 4, TS: []float64{0.1}, Busy: []int64{4}, Backlog: []int64{6}}},
		"nothing":            {[]gauge.Sample{at(0, -1, -1, -1, -1)}, nil},
		"no samples":         {nil, nil},
	} {
		if diff := cmp.Diff(tt.want, occupancy(tt.samples, began, gaugePeriod(time.Second))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestGaugePeriod(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{0: gaugeLeast, 2 * time.Second: gaugeLeast, 5 * time.Second: 250 * time.Millisecond, time.Hour: gaugeMost} {
		if got := gaugePeriod(window); got != want {
			t.Errorf("%v in a window of %v, want %v", got, window, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	at, err := addresses(target.Target{Command: []string{"x", "{stats}"}, Env: map[string]string{"P": "{pprof}"}}, "127.0.0.1:1")
	if err != nil || at.Stats == "" || at.Pprof == "" || at.Stats == at.Pprof || at.Serve != "127.0.0.1:1" {
		t.Errorf("%+v, %v", at, err)
	}
	if at, err := addresses(target.Target{Command: []string{"x"}}, "127.0.0.1:1"); err != nil || at.Stats+at.Pprof != "" {
		t.Errorf("not asked for: %+v, %v", at, err)
	}
}

// TestProfile takes a profile of servers that offer one in different ways.
func TestProfile(t *testing.T) {
	mux := func(paths ...string) *http.ServeMux {
		m := http.NewServeMux()
		for _, p := range paths {
			m.HandleFunc(p, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.URL.String())) }) //nolint:errcheck // it is read
		}
		return m
	}
	many := mux("/worker/1/debug/pprof/", "/worker/2/debug/pprof/")
	many.HandleFunc("/workers", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`["/worker/1/debug/pprof/","/worker/2/debug/pprof/"]`)) //nolint:errcheck // it is read
	})
	for name, tt := range map[string]struct {
		server http.Handler // nil: none
		kind   string
		of     string
		files  map[string]string
		codes  []string
	}{
		"ours":      {mux("/debug/pprof/"), "cpu", target.Engine, map[string]string{"profiles/007-s-a_b.cpu.pprof": "/debug/pprof/profile?seconds=1.5"}, []string{results.CodeProfiled}},
		"theirs":    {mux("/debug/pprof/"), "mutex", target.Outside, map[string]string{"profiles/007-s-a_b.mutex.pprof": "/debug/pprof/mutex?seconds=1"}, []string{results.CodeProfiled}},
		"trace":     {mux("/debug/pprof/"), "trace", target.Outside, map[string]string{"profiles/007-s-a_b.trace": "/debug/pprof/trace?seconds=1"}, []string{results.CodeProfiled}},
		"workers":   {many, "block", target.Engine, map[string]string{"profiles/007-s-a_b-worker1.block.pprof": "/worker/1/debug/pprof/block?seconds=1.5", "profiles/007-s-a_b-worker2.block.pprof": "/worker/2/debug/pprof/block?seconds=1.5"}, []string{results.CodeProfiled}},
		"refused":   {mux(), "cpu", target.Outside, nil, []string{results.CodeNotProfiled}},
		"not of Go": {nil, "cpu", target.Outside, nil, []string{results.CodeNotProfiled}},
	} {
		t.Run(name, func(t *testing.T) {
			at := Addresses{}
			if tt.server != nil {
				s := httptest.NewServer(tt.server)
				defer s.Close()
				at.Pprof = strings.TrimPrefix(s.URL, "http://")
			}
			dir := t.TempDir()
			p := &Plan{Options: Options{Profile: tt.kind, ProfileDir: dir, Duration: 1500 * time.Millisecond}}
			q := p.profileOf(Step{Scenario: &scenarios.Scenario{Name: "s"}, Target: target.Target{Name: "a,b", Kind: tt.of}}, at, 7)
			q.start()
			trial := results.Trial{Load: results.Load{Valid: true}}
			q.end(&trial)
			if len(trial.Profiles) != len(tt.files) || !trial.Valid {
				t.Errorf("%v, %+v", trial.Profiles, trial.Warnings)
			}
			for _, file := range trial.Profiles {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != tt.files[file] {
					t.Errorf("%s holds %q (%v), want %q", file, got, err, tt.files[file])
				}
			}
			var codes []string
			for _, w := range trial.Warnings {
				codes = append(codes, w.Code)
			}
			if !slices.Equal(codes, tt.codes) {
				t.Errorf("%+v, want %v", trial.Warnings, tt.codes)
			}
		})
	}
	if (&Plan{}).profileOf(Step{}, Addresses{}, 1) != nil {
		t.Error("a profile that nobody has asked for")
	}
}
