package plot

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// heatSteps is a server at work with a stall in the middle: what is due then
// waits, and some of it fails.
func heatSteps(n int) []HeatStep {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	steps := make([]HeatStep, n)
	for i := range steps {
		s := &steps[i]
		s.S = float64(i) / 10
		scale := 1.0
		switch k := i - n/2; {
		case k >= 0 && k < n/20:
			s.Backlog, s.Errors = int64(k+1)*300, int64(k%2)*3
			continue
		case k >= n/20 && k < n/12:
			scale = 1000 / float64(k-n/20+1)
			s.Backlog = int64(n/12-k) * 400
		}
		for us := 100.0; us < 20000; us *= 1.012 {
			z := math.Log(us/300) / 0.45
			if c := int64(120*math.Exp(-z*z/2) + 0.3*rng.ExpFloat64()*math.Sqrt(300/us)); c > 0 {
				s.Counts = append(s.Counts, HeatCount{us * scale, c})
			}
		}
	}
	return steps
}

func heatSamples() []Figure {
	var one []HeatStep
	for i := range 5 {
		one = append(one, HeatStep{S: float64(i) / 10, Counts: []HeatCount{{US: 250, N: 1}}})
	}
	return []Figure{
		HeatMap("Latency over time: http://127.0.0.1:8000/hello", heatSteps(100), 10),
		HeatMap("Latency over time: http://127.0.0.1:8000/hello", heatSteps(3000), 300),
		HeatMap("Latency over time: http://127.0.0.1:8000/hello", one, 0.45),
	}
}

// The same steps make the same bytes, and not many of them.
func TestHeatMapIsSmallAndStays(t *testing.T) {
	for i, f := range heatSamples() {
		var a, b bytes.Buffer
		if err := f.SVG(&a, Wide, true); err != nil {
			t.Fatal(err)
		}
		if err := heatSamples()[i].SVG(&b, Wide, true); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("figure %d differs from itself", i)
		}
		if a.Len() > 250_000 {
			t.Errorf("figure %d takes %d bytes", i, a.Len())
		}
		if dir := os.Getenv("HEATMAPS"); dir != "" {
			b.Reset()
			if err := f.PNG(&b, Wide); err != nil {
				t.Fatal(err)
			}
			os.WriteFile(dir+"/heat"+string(rune('0'+i))+".png", b.Bytes(), 0o644)
			os.WriteFile(dir+"/heat"+string(rune('0'+i))+".svg", a.Bytes(), 0o644)
		}
	}
}

// Every answer is in one cell, and every cell of a colour is painted once.
func TestHeatMapCounts(t *testing.T) {
	for _, n := range []int{1, 7, 100, 3000} {
		steps := heatSteps(n)
		lo, hi, want := math.Inf(1), 0.0, int64(0)
		for _, s := range steps {
			for _, c := range s.Counts {
				lo, hi, want = min(lo, c.US), max(hi, c.US), want+c.N
			}
		}
		m := layHeat(steps, float64(n)/10, lo, hi, Wide-2*margin)
		got := int64(0)
		for _, column := range m.counts {
			for _, c := range column {
				got += c
			}
		}
		if got != want || len(m.counts) != (n+m.merged-1)/m.merged || len(m.counts)*3 > Wide {
			t.Errorf("%d steps: %d of %d answers in %d columns", n, got, want, len(m.counts))
		}
		if m.level(0) != -1 || m.level(1) != 0 || m.level(m.most) != heatLevels-1 {
			t.Errorf("levels %d, %d, %d", m.level(0), m.level(1), m.level(m.most))
		}
	}
}

// The ramp goes one way in lightness, on either ground away from it, and its
// first colour is seen: a single slow answer has no other.
func TestHeatRampStandsOut(t *testing.T) {
	dark := rgb(0x141417)
	for i, s := range heatRamp {
		if i == 0 {
			if a, b := contrast(rgb(s.light), paper), contrast(rgb(s.dark), dark); a < 1.9 || b < 1.9 {
				t.Errorf("single answers have a contrast of %.2f on white and %.2f on dark", a, b)
			}
			continue
		}
		before := heatRamp[i-1]
		if contrast(rgb(s.light), paper) <= contrast(rgb(before.light), paper) || contrast(rgb(s.dark), dark) <= contrast(rgb(before.dark), dark) {
			t.Errorf("colour %d does not stand out more than the one before", i)
		}
	}
}
