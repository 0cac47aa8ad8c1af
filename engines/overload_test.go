package engines

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A single server in virtual time, served for service each, with Poisson
// arrivals at load times its capacity, a queue in order and clients that wait
// for patience: what is answered within it is goodput, and a refusal costs a
// tenth of an answer.
func simulate(gate *Gate, load float64) (goodput float64, worst time.Duration) {
	const (
		service  = time.Millisecond
		refusal  = service / 10
		patience = 250 * time.Millisecond
		horizon  = 60 * time.Second
	)
	rng := rand.New(rand.NewPCG(1, 2))
	var due, free time.Duration // of the next arrival; when the server is
	good := 0
	for {
		due += time.Duration(rng.ExpFloat64() / load * float64(service))
		if due > horizon {
			return float64(good) / (float64(horizon) / float64(service)), worst
		}
		free = max(free, due)
		waited := free - due
		if gate != nil && !gate.admit(free, waited) {
			free += refusal
			continue
		}
		free += service
		if free-due <= patience {
			good++
		}
		worst = max(worst, waited)
	}
}

func TestGateKeepsGoodput(t *testing.T) {
	if got, _ := simulate(nil, 1.5); got > 0.05 {
		t.Errorf("without a gate a queue at 150 %% of the capacity must be in vain, or this test shows nothing: goodput %.2f", got)
	}
	const target = 20 * time.Millisecond
	got, worst := simulate(Overload{Target: target}.Gate(), 1.5)
	if got < 0.8 {
		t.Errorf("goodput at 150 %% of the capacity is %.2f of it, want 0.8", got)
	}
	if worst > 250*time.Millisecond {
		t.Errorf("somebody was served who had waited %v", worst)
	}
	if got, _ := simulate(Overload{Target: target}.Gate(), 0.7); got < 0.68 {
		t.Errorf("at 70 %% of the capacity nobody is to be refused: goodput %.2f", got)
	}
}

func TestGateLetsBurstsThrough(t *testing.T) {
	g := Overload{Target: 10 * time.Millisecond}.Gate()
	// A hundred requests at once every second, drained within 99 ms.
	for second := range 5 {
		for i := range 100 {
			wait := time.Duration(i) * time.Millisecond
			if !g.admit(time.Duration(second)*time.Second+wait, wait) {
				t.Fatalf("second %d: a burst that drains within the interval must be let through: refused after %v", second, wait)
			}
		}
	}
	if !(*Gate)(nil).Admit(time.Hour) {
		t.Error("without a target nobody is refused")
	}
}
