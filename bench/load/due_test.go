package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/bench/load/plan"
)

// TestDueIsWhatIsOffered: the window does not depend on the warm-up, times
// rise, and a server sees as many requests as there are.
func TestDueIsWhatIsOffered(t *testing.T) {
	c := plan.Config{Rate: 500, Arrivals: plan.Poisson, Seed: 7, Duration: 2 * time.Second}
	window := slices.Collect(c.Due(0))
	warmed := slices.Collect(c.Due(time.Second))
	n := len(warmed) - len(window)
	if !slices.Equal(warmed[n:], window) {
		t.Error("the window's schedule depends on the warm-up")
	}
	if warmed[0] < -time.Second || warmed[n-1] >= 0 || math.Abs(float64(n)-500) > 100 || math.Abs(float64(len(window))-1000) > 140 {
		t.Errorf("%d requests of %d in the warm-up, from %v to %v", n, len(warmed), warmed[0], warmed[n-1])
	}
	if !slices.IsSorted(warmed) {
		t.Error("times go back")
	}

	r := loadtest.Respond(t, "tcp", nil)
	c.Model, c.URL, c.Duration, c.Connections = plan.Open, r.URL, 300*time.Millisecond, 8
	l, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(len(slices.Collect(c.Due(0)))); l.Requests+l.Errors.Unsent != want {
		t.Errorf("%d requests were offered, want %d", l.Requests+l.Errors.Unsent, want)
	}
}
