package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynobench/dyno/results"
)

// fake answers every offer as a host of that ceiling would.
type fake struct {
	ceiling float64
	offers  []offer
	looks   int
	fails   func(offer) error
}

var _ instrument = (*fake)(nil)

func (f *fake) offer(ctx context.Context, o offer) (seen, error) {
	f.offers = append(f.offers, o)
	if f.fails != nil {
		if err := f.fails(o); err != nil {
			return seen{}, err
		}
	}
	if o.freeze > 0 {
		return froze(o.freeze, 1), ctx.Err()
	}
	return answered(saw{rps: f.ceiling, cpu: 7, busy: 0.98, server: 0.9, rate: o.rate, lag: 30, p50: 40, p99: 80}), ctx.Err()
}

func (f *fake) watch(ctx context.Context, _ time.Duration) (look, error) {
	f.looks++
	return look{}, ctx.Err()
}

func TestMeasure(t *testing.T) {
	for name, test := range map[string]struct {
		ceiling float64
		quick   bool
		rates   []float64
		frozen  []string // generators
	}{
		"full":              {100_000, false, pacingRates, []string{"native", "vegeta"}},
		"quick":             {100_000, true, pacingRates, []string{"native"}},
		"a slow host":       {40_000, true, pacingRates[:2], []string{"native"}},
		"a very slow host":  {1200, true, pacingRates[:1], []string{"native"}},
		"hardly any answer": {10, true, pacingRates[:1], []string{"native"}},
	} {
		f := &fake{ceiling: test.ceiling}
		var told []Progress
		m, err := collect(t.Context(), f, times(test.quick), func(p Progress) { told = append(told, p) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var rates []float64
		for _, s := range m.pacing {
			rates = append(rates, s.Load.RateRPS)
		}
		var frozen []string
		for _, o := range f.offers {
			if o.freeze > 0 {
				frozen = append(frozen, o.generator)
				if o.freeze*freezeStart != o.window || o.rate != freezeRate {
					t.Errorf("%s: freeze of %v in %v at %v/s", name, o.freeze, o.window, o.rate)
				}
			}
		}
		if !slices.Equal(rates, test.rates) || !slices.Equal(frozen, test.frozen) || len(m.ceiling) != ceilings || f.looks != 2 || len(m.calm) != 2 {
			t.Errorf("%s: rates %v, freezes under %v, %d ceilings, %d looks", name, rates, frozen, len(m.ceiling), f.looks)
		}
		c := m.calibration()
		if c.CeilingRPS != test.ceiling || c.GeneratorCPUUSPerRequest != 7 || len(c.Pacing) != len(rates) || c.FloorP50US != 40 {
			t.Errorf("%s: calibration %+v", name, c)
		}
		for i := 1; i < len(told); i++ {
			if told[i].Done <= told[i-1].Done || told[i].Done > told[i].Total || told[i].What == "" {
				t.Errorf("%s: progress from %+v to %+v", name, told[i-1], told[i])
			}
		}
	}
}

// The whole takes as long as is promised.
func TestLength(t *testing.T) {
	if full, quick := Length(false), Length(true); full > 28*time.Second || quick > 8*time.Second {
		t.Errorf("%v and, quick, %v: too long", full, quick)
	}
	for _, quick := range []bool{false, true} {
		if requests := freezeRate * times(quick).pacing[0].Seconds(); requests < 1000 {
			t.Errorf("%v requests are too few for the p99 of the calm latency", requests)
		}
	}
}

func TestMeasureFails(t *testing.T) {
	broken := errors.New("no such binary")
	f := &fake{ceiling: 1e5, fails: func(o offer) error {
		if o.generator == "vegeta" {
			return broken
		}
		return nil
	}}
	if _, err := collect(t.Context(), f, times(true), nil); !errors.Is(err, broken) || !strings.Contains(err.Error(), "vegeta at a low rate") {
		t.Errorf("got %v, want what failed and why", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := collect(ctx, &fake{}, times(true), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of an ended context", err)
	}
}

func TestCalibrationLimit(t *testing.T) {
	for name, test := range map[string]struct {
		generator, server, want float64
	}{
		"the generator was busier": {0.98, 0.9, 1000},
		"null was":                 {0.5, 0.99, 2000},
		"neither was":              {0.25, 0.2, 4000},
		"unknown":                  {0, 0, 1000},
	} {
		c := results.Calibration{CeilingRPS: 1000, GeneratorBusy: test.generator, ServerBusy: test.server}
		if got := c.LimitRPS(); got != test.want {
			t.Errorf("%s: the limit is %v, want %v", name, got, test.want)
		}
	}
}
