package load

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/netio"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/testkit"
	"github.com/dynobench/dyno/results"
)

// The hot path allocates nothing. Counted is from edge to edge of the window:
// what is left are the steps of the series and the runtime's own. The server
// is another process, whose allocations do not count.
func TestNoAllocationPerRequest(t *testing.T) { eachTransport(t, noAllocationPerRequest) }

func noAllocationPerRequest(t *testing.T) {
	url := startChild(t)
	for _, model := range []plan.Model{plan.Closed, plan.Open} {
		c := plan.Config{URL: url, Model: model, Connections: 8, Duration: 500 * time.Millisecond, Requests: []plan.Request{{Path: "/", Want: []byte("Hello, World!")}}}
		if model == plan.Open {
			c.Rate = 10000
		}
		var mallocs [2]uint64
		c.Phase = func(p plan.Phase) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			mallocs[map[plan.Phase]int{plan.MeasureStart: 0, plan.MeasureEnd: 1}[p]] = m.Mallocs
		}
		l := mustRun(t, c)
		made := mallocs[1] - mallocs[0]
		t.Logf("%s: %d allocations, %d requests", model, made, l.Requests)
		if l.Requests < 1000 {
			t.Fatalf("%s: %d requests are too few to tell; %+v", model, l.Requests, l.Errors)
		}
		if made > 300 {
			t.Errorf("%s: %d allocations for %d requests", model, made, l.Requests)
		}
	}
}

func TestNoDescriptorLeaks(t *testing.T) { eachTransport(t, noDescriptorLeaks) }

func noDescriptorLeaks(t *testing.T) {
	url := startChild(t)
	c := plan.Config{URL: url, Connections: 50, Threads: 3, Duration: 50 * time.Millisecond}
	mustRun(t, c)
	before := testkit.Descriptors(t)
	for range 3 {
		mustRun(t, c)
	}
	if after := testkit.Descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestDescriptorLimit(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	if err := netio.NeedDescriptors(300); err != nil {
		t.Fatal(err)
	}
	var raised unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &raised); err != nil || raised.Cur != 300 {
		t.Errorf("the soft limit is %d, expected 300; %v", raised.Cur, err)
	}
	if old.Max < math.MaxUint64 {
		if err := netio.NeedDescriptors(old.Max + 1); err == nil || !strings.Contains(err.Error(), "raise the hard limit") {
			t.Error(err)
		}
	}
}

// Connections that a server never answers, while others get hundreds of
// answers, show in no percentile unless they are looked for: their requests
// are due in the warm-up, before the window that counts.
func TestStarvationShows(t *testing.T) { eachTransport(t, starvationShows) }

func starvationShows(t *testing.T) {
	for _, starved := range []int64{1, 4} {
		r := loadtest.Respond(t, "tcp", func(r *loadtest.Responder) { r.Starve = starved })
		c := loadtest.Short(r)
		c.Connections, c.Timeout, c.Warmup, c.Duration = 5, time.Minute, 200*time.Millisecond, 900*time.Millisecond
		l := mustRun(t, c) // in far less than the minute
		if int64(l.Connection.Starved) != starved || l.Connection.Min != 0 || l.Connection.Max < manyAnswers {
			t.Errorf("%d of 5: %+v", starved, l.Connection)
		}
		if l.Valid || !slices.ContainsFunc(l.Warnings, func(w results.Warning) bool { return w.Code == results.CodeStarvation }) {
			t.Errorf("%d of 5: valid %v, %v", starved, l.Valid, l.Warnings)
		}
		if l.LatencyUS.Max < 900e3 {
			t.Errorf("%d of 5: the longest latency is %.0f µs, though one waited for longer than the window", starved, l.LatencyUS.Max)
		}
	}
}
