package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results/stats"
)

// Bar is one target of Bars.
type Bar struct {
	Target   string
	Estimate stats.Estimate
	Points   []float64 // the trials
}

// Bars draws one bar per target from zero to the centre, in the order given,
// with the interval as a line and each trial as a ring: the reader sees the
// spread itself, not only what was made of it. show prints a value.
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
		if b.Estimate.Known { // a hopeless interval may be cut, the others shall not shrink for it
			lowest = min(lowest, max(b.Estimate.Lo, b.Estimate.Centre/1.5))
			highest = max(highest, min(b.Estimate.Hi, 1.5*b.Estimate.Centre))
		}
	}
	sub := "bar: median · line: 95 % interval · rings: trials"
	if log {
		sub = "dot: median · line: 95 % interval · rings: trials · log"
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
				right = max(right, value.Width(show(b.Estimate.Centre)))
			}
			left = min(left, c.Size().X*0.32)
			inner := draw.Crop(c, left+8, -(right + 14), 0, 0)

			p := axes()
			p.X.Min, p.X.Max = lowest, highest
			p.Y.Min, p.Y.Max = 0, float64(len(rows))
			if log {
				p.X.Scale = plot.LogScale{}
			}
			p.X.Tick.Marker = plot.ConstantTicks(ticks(lowest, highest, 60*highest/float64(inner.Size().X)))
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
				end := b.Estimate.Centre
				for _, v := range b.Points {
					end = max(end, v)
				}
				if b.Estimate.Known {
					end = max(end, min(b.Estimate.Hi, highest))
				}
				put(c, value, tx(end)+8, y-3, draw.XLeft, show(b.Estimate.Centre))
			}
		},
	}
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
			c.Fill(circle(vg.Point{X: tx(r.Estimate.Centre), Y: y}, 6))
		} else {
			c.Fill(rectangle(c.Min.X, y-6, tx(r.Estimate.Centre), y+6))
		}
		if r.Estimate.Known {
			lo, hi := max(tx(r.Estimate.Lo), c.Min.X), min(tx(r.Estimate.Hi), c.Max.X)
			// On paper of its own, or it would drown in a dark bar.
			for _, line := range []draw.LineStyle{{Color: paper, Width: 3.2}, {Color: ink, Width: 1.2}} {
				c.StrokeLine2(line, lo, y, hi, y)
				c.StrokeLine2(line, lo, y-4, lo, y+4)
				if tx(r.Estimate.Hi) <= c.Max.X {
					c.StrokeLine2(line, hi, y-4, hi, y+4)
				}
			}
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
