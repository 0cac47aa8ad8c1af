package doctor

import (
	"math"
	"time"
)

// Freeze is an experiment with a known answer: requests are due at a constant
// rate for a window, and within it the server is stopped for a while and then
// goes on. Whoever measures latency from anything but the moment at which a
// request was due gets it wrong, and by orders of magnitude.
//
// With rate r, window W and freeze T, a request that is due u after the
// server stopped waits for what is left of the freeze, T − u. The requests
// that were kept waiting are then answered one after the other, each taking the
// server and the generator c: the one due at u has r·u before it, so that it
// waits
//
//	T − u + r·u·c = T − u·(1 − ρ)   with ρ = r·c < 1
//
// and waiting ends at u = T/(1−ρ), when the backlog is gone. As u is spread
// evenly, so is the wait, between 0 and T. The share φ of all requests that
// waited is T/((1−ρ)·W), and the latencies of the window are the mixture
//
//	P(L ≤ x) = (1 − φ)·P(calm ≤ x) + φ·min(1, x/T)
//
// where calm is the latency at that rate without a freeze, which is so much
// shorter than T that the two parts do not overlap: the first 1 − φ of the
// requests are the calm ones, the rest are the uniform part, in order.
type Freeze struct {
	Rate   float64       // r, requests per second, at constant intervals
	Window time.Duration // W; the freeze and the backlog after it have to end within it
	Length time.Duration // T
	Cost   time.Duration // c; 0 means that the backlog is answered at once
}

// Share is φ, the share of the window's requests that had to wait.
func (f Freeze) Share() float64 {
	left := 1 - f.Rate*f.Cost.Seconds()
	if left <= 0 || f.Window <= 0 {
		return 1 // the backlog never ends
	}
	return math.Min(1, f.Length.Seconds()/left/f.Window.Seconds())
}

// Quantile is the latency that a share q of the requests, 0 to 1, does not
// exceed. calm is the same without a freeze; nil means that answers take no
// time.
func (f Freeze) Quantile(q float64, calm func(q float64) time.Duration) time.Duration {
	if calm == nil {
		calm = func(float64) time.Duration { return 0 }
	}
	waited := f.Share()
	if q < 1-waited {
		return calm(q / (1 - waited))
	}
	return calm(0.5) + time.Duration(float64(f.Length)*(q-(1-waited))/waited)
}

// Waits is the answer for any schedule, request by request: how long each of
// those due at these times, ascending, waits for a server that stops at stop,
// for length, and answers in order thereafter, each in cost.
func Waits(due []time.Duration, stop, length, cost time.Duration) []time.Duration {
	waits := make([]time.Duration, len(due))
	free := stop + length // when the server can take the next one
	for i, d := range due {
		if d < stop || d >= free {
			continue
		}
		free += cost
		waits[i] = free - d
	}
	return waits
}
