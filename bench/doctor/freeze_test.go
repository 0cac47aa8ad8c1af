package doctor

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFreezeQuantiles(t *testing.T) {
	calm := func(q float64) time.Duration { return time.Duration(q * float64(time.Millisecond)) }
	f := Freeze{Rate: 1000, Window: 4 * time.Second, Length: time.Second}
	slow := Freeze{Rate: 1000, Window: 4 * time.Second, Length: time.Second, Cost: 500 * time.Microsecond}
	for _, c := range []struct {
		f    Freeze
		q    float64
		calm func(float64) time.Duration
		want time.Duration
	}{
		{f, 0, nil, 0}, {f, 0.5, nil, 0}, {f, 0.75, nil, 0},
		{f, 0.9, nil, 600 * time.Millisecond}, {f, 0.95, nil, 800 * time.Millisecond}, {f, 0.99, nil, 960 * time.Millisecond}, {f, 1, nil, time.Second},
		{f, 0.375, calm, 500 * time.Microsecond}, {f, 1, calm, time.Second + 500*time.Microsecond},
		{slow, 0.75, nil, 500 * time.Millisecond}, {slow, 0.5, nil, 0}, {slow, 1, nil, time.Second}, // half of the requests wait
		{Freeze{Rate: 1000, Window: time.Second, Length: time.Second}, 0.5, nil, 500 * time.Millisecond},
		{Freeze{Rate: 1000, Window: time.Second, Length: time.Second / 2, Cost: time.Millisecond}, 0.5, nil, 250 * time.Millisecond},
	} {
		if got := c.f.Quantile(c.q, c.calm); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("%+v: quantile %v is %v, want %v", c.f, c.q, got, c.want)
		}
	}
}

// The formula is the limit of what happens request by request.
func TestFreezeAgreesWithItsRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Freeze{
			Rate:   float64(rapid.IntRange(200, 5000).Draw(t, "rate")),
			Window: 10 * time.Second,
			Length: time.Duration(rapid.IntRange(200, 2000).Draw(t, "length")) * time.Millisecond,
		}
		busy := rapid.Float64Range(0, 0.5).Draw(t, "ρ")
		f.Cost = time.Duration(busy / f.Rate * 1e9)
		stop := time.Duration(rapid.IntRange(0, 4000).Draw(t, "stop")) * time.Millisecond
		due := make([]time.Duration, int(f.Rate*f.Window.Seconds()))
		for i := range due {
			due[i] = time.Duration(float64(i) / f.Rate * 1e9)
		}
		waits := Waits(due, stop, f.Length, f.Cost)
		slices.Sort(waits)
		for _, q := range []float64{0.01, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999} {
			got := waits[int(math.Ceil(q*float64(len(waits))))-1]
			want := f.Quantile(q, nil)
			// A quantile may be off by one request, and one request is T/(φ·n).
			slack := 3*time.Duration(float64(f.Length)/(f.Share()*float64(len(due)))) + 2*f.Cost
			if (got - want).Abs() > slack {
				t.Fatalf("%+v from %v: quantile %v is %v by the requests and %v by the formula", f, stop, q, got, want)
			}
		}
	})
}

func TestWaits(t *testing.T) {
	ms := time.Millisecond
	got := Waits([]time.Duration{0, 9 * ms, 10 * ms, 15 * ms, 19 * ms, 22 * ms, 40 * ms}, 10*ms, 10*ms, 2*ms)
	// Stopped from 10 to 20: those due at 10, 15 and 19 are answered at 22,
	// 24 and 26, the one due at 22 at 28.
	want := []time.Duration{0, 0, 12 * ms, 9 * ms, 7 * ms, 6 * ms, 0}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
