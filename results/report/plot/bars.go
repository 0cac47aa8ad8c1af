package plot

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results/stats"
)

// Bar is one target of Bars.
type Bar struct {
	Target string
	Points []float64 // the trials
}

// centre is where the bar ends.
func (b Bar) centre() float64 { return stats.Median(b.Points) }

// Bars draws one bar per target from zero to the median, in the order given,
// with each trial as a ring on a line: the spread itself. An interval made of it
// would mislead, as those of two targets may overlap though one is ahead in
// every round. show prints a value.
func Bars(title string, bars []Bar, show func(float64) string) Figure {
	return drawBars(title, bars, false, show, func(lo, hi, least float64) []plot.Tick {
		return niceTicks{tickLabel, least}.Ticks(lo, hi)
	})
}

// BarsOfTime is Bars for microseconds. Where they differ more than twentyfold
// it draws dots on a logarithmic axis instead, since bars of all but the
// longest would be nothing.
func BarsOfTime(title string, bars []Bar) Figure {
	lo, hi := math.Inf(1), 0.0
	for _, b := range bars {
		for _, p := range b.Points {
			lo, hi = min(lo, p), max(hi, p)
		}
	}
	if hi > 20*lo {
		return drawBars(title, bars, true, format.Duration, func(lo, hi, _ float64) []plot.Tick {
			return timeTicks{few: true}.Ticks(lo, hi)
		})
	}
	return drawBars(title, bars, false, format.Duration, func(lo, hi, least float64) []plot.Tick {
		return niceTicks{func(v float64) string {
			if v == 0 {
				return "0"
			}
			return roundTime(v)
		}, least}.Ticks(lo, hi)
	})
}

func drawBars(title string, bars []Bar, log bool, show func(float64) string, ticks func(lo, hi, least float64) []plot.Tick) Figure {
	var rows []Bar
	lowest, highest := math.Inf(1), 0.0
	for _, b := range bars {
		if len(b.Points) == 0 {
			continue
		}
		rows = append(rows, b)
		for _, p := range b.Points {
			lowest, highest = min(lowest, p), max(highest, p)
		}
	}
	sub := "bar: median · rings: trials"
	if log {
		sub = "dot: median · rings: trials · logarithmic"
		lowest, highest = timeTicks{few: true}.around(lowest, highest)
	} else {
		lowest = 0
	}
	const row, axis = 26, 24
	return Figure{
		Title: title, Sub: sub, Empty: len(rows) == 0 || highest <= 0,
		height: func(vg.Length) vg.Length { return vg.Length(len(rows))*row + axis },
		draw: func(c draw.Canvas) {
			label, value := style(12.5, false, ink), style(12, false, soft)
			left, right := vg.Length(0), vg.Length(0)
			for _, b := range rows {
				left = max(left, label.Width(b.Target))
				right = max(right, value.Width(show(b.centre())))
			}
			left = min(left, c.Size().X*0.32)
			inner := draw.Crop(c, left+8, -(right + 14), 0, 0)

			p := axes()
			p.X.Min, p.X.Max = lowest, highest
			p.Y.Min, p.Y.Max = 0, float64(len(rows))
			if log {
				p.X.Scale = plot.LogScale{}
			}
			p.X.Tick.Marker = plot.ConstantTicks(apart(ticks(lowest, highest, 60*highest/float64(inner.Size().X)), inner.Size().X))
			p.Y.Tick.Marker = plot.ConstantTicks(nil)
			p.Y.LineStyle.Width = 0
			p.X.LineStyle.Width = 0
			p.Add(gridlines{x: true}, barRows{rows, log})
			p.Draw(inner)

			data := p.DataCanvas(inner)
			tx, ty := p.Transforms(&data)
			for i, b := range rows {
				y := ty(float64(len(rows)-i) - 0.5)
				put(c, label, data.Min.X-8, y-3, draw.XRight, cut(label, b.Target, left))
				end := slices.Max(b.Points)
				put(c, value, tx(end)+8, y-3, draw.XLeft, show(b.centre()))
			}
		},
	}
}

// apart leaves out every other tick until their labels have room on an axis of
// the width.
func apart(ticks []plot.Tick, width vg.Length) []plot.Tick {
	label := style(11.5, false, ink)
	room := func() bool {
		need := vg.Length(0)
		for _, t := range ticks {
			need = max(need, label.Width(t.Label)+8)
		}
		return len(ticks) < 3 || need*vg.Length(len(ticks)-1) <= width
	}
	for !room() {
		var some []plot.Tick
		for i := 0; i < len(ticks); i += 2 {
			some = append(some, ticks[i])
		}
		ticks = some
	}
	return ticks
}

// barRows draws the bars, first row on top.
type barRows struct {
	rows []Bar
	log  bool
}

func (b barRows) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	for i, r := range b.rows {
		y := ty(float64(len(b.rows)-i) - 0.5)
		c.SetColor(StyleOf(r.Target).Color)
		if b.log {
			c.Fill(circle(vg.Point{X: tx(r.centre()), Y: y}, 6))
		} else {
			c.Fill(rectangle(c.Min.X, y-6, tx(r.centre()), y+6))
		}
		// On paper of its own, or it would drown in a dark bar.
		lo, hi := tx(slices.Min(r.Points)), tx(slices.Max(r.Points))
		for _, line := range []draw.LineStyle{{Color: paper, Width: 3.2}, {Color: ink, Width: 1.2}} {
			c.StrokeLine2(line, lo, y, hi, y)
		}
		for _, v := range r.Points {
			c.SetColor(paper)
			c.Fill(circle(vg.Point{X: tx(v), Y: y}, 2.8))
			c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1})
			c.Stroke(circle(vg.Point{X: tx(v), Y: y}, 2.6))
		}
	}
}

// niceTicks marks multiples of 1, 2 or 5 times a power of ten that are at
// least least apart.
type niceTicks struct {
	show  func(float64) string
	least float64
}

func (n niceTicks) Ticks(lo, hi float64) []plot.Tick {
	if !(n.least > 0) || !(hi > lo) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(n.least)))
	for _, f := range []float64{1, 2, 5, 10} {
		if step*f >= n.least {
			step *= f
			break
		}
	}
	var ticks []plot.Tick
	for i := math.Ceil(lo / step); i*step <= hi*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: n.show(i * step)})
	}
	return ticks
}

// tickLabel prints a round number short: 20k, 1.5M.
func tickLabel(v float64) string {
	switch {
	case v >= 1e6:
		return trim(v/1e6) + "M"
	case v >= 1e4:
		return trim(v/1e3) + "k"
	default:
		return trim(v)
	}
}

func trim(v float64) string {
	s := format.Significant(v, 3)
	for len(s) > 1 && s[len(s)-1] == '0' && containsDot(s) {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

func containsDot(s string) bool {
	for i := range s {
		if s[i] == '.' {
			return true
		}
	}
	return false
}
