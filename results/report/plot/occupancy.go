package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Fullness is one target of Occupancy.
type Fullness struct {
	Target string
	Slots  float64 // 0 for any number
	Trials [][]Full
}

// Full is one reading of a trial; a figure that is not known is below 0.
type Full struct{ S, Busy, Waiting float64 }

// Occupancy draws a small panel for each target: the slots that were busy and
// the connections that waited, over time, one pair of lines per trial, and the
// number of slots where there is one within reach. Each panel has its own scale,
// logarithmic: one slot that is always busy is as full as 256.
func Occupancy(title, sub string, targets []Fullness) Figure {
	var shown []small
	end := 0.0
	for _, t := range targets {
		top := 0.0
		for _, trial := range t.Trials {
			for _, f := range trial {
				end = max(end, f.S)
				top = max(top, f.Busy, f.Waiting)
			}
		}
		if top == 0 { // nothing is known, or nothing happened
			continue
		}
		if t.Slots > top*4 {
			t.Slots = 0 // it would flatten what there is to see
		}
		top = max(top, t.Slots)
		shown = append(shown, small{
			name: t.Target,
			scale: func(q *plot.Plot) {
				q.Y.Scale = fromNone{}
				q.Y.Min, q.Y.Max = 0, top*1.1
			},
			ticks: counts{top, t.Slots},
			lines: fullLines{t},
		})
	}
	return sideBySide(title, sub, end, false, shown)
}

// fromNone is a logarithmic scale that begins with none: four busy slots are to
// be seen below 250 connections that wait for them.
type fromNone struct{}

func (fromNone) Normalize(lo, hi, x float64) float64 { return math.Log1p(x-lo) / math.Log1p(hi-lo) }

// counts marks none, the most there was, and the slots, or else something
// between the two, where there is room for a label.
type counts struct{ top, slots float64 }

func (m counts) Ticks(lo, hi float64) []plot.Tick {
	ticks := []plot.Tick{{Value: 0, Label: "0"}, {Value: m.top, Label: tickLabel(m.top)}}
	between := m.slots
	if between == 0 {
		between = math.Round(math.Sqrt(m.top))
	}
	at := func(v float64) float64 { return fromNone{}.Normalize(lo, hi, v) }
	if at(between) > 0.15 && at(m.top)-at(between) > 0.15 {
		ticks = append(ticks, plot.Tick{Value: between, Label: tickLabel(between)})
	}
	return ticks
}

// fullLines draws the lines of one panel.
type fullLines struct{ of Fullness }

func (l fullLines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	s := StyleOf(l.of.Target)
	dashes := []vg.Length{3, 2}
	if l.of.Slots > 0 {
		c.StrokeLine2(draw.LineStyle{Color: soft, Width: 0.8, Dashes: []vg.Length{1, 3}}, c.Min.X, ty(l.of.Slots), c.Max.X, ty(l.of.Slots))
	}
	line := func(trial []Full, of func(Full) float64, sty draw.LineStyle) {
		var points []vg.Point
		for _, f := range trial {
			if v := of(f); v >= 0 {
				points = append(points, vg.Point{X: tx(f.S), Y: ty(v)})
			}
		}
		if len(points) > 1 {
			c.StrokeLines(sty, points)
		}
	}
	for _, t := range l.of.Trials {
		line(t, func(f Full) float64 { return f.Waiting }, draw.LineStyle{Color: ink, Width: 0.9, Dashes: dashes})
		line(t, func(f Full) float64 { return f.Busy }, draw.LineStyle{Color: s.Color, Width: 1.4})
	}
}
