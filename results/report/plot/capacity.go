package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// LoadPoint is one rate of a throughput–latency curve; a latency in µs that is
// not known is 0.
type LoadPoint struct{ RPS, P50, P99 float64 }

// Capacity is what LoadCurve draws. What is 0 is left out.
type Capacity struct {
	Points    []LoadPoint // by the rate offered
	Limit     float64     // the rate found,
	Low, High float64     // its interval,
	AtLeast   bool        // open to above
	Knee      float64     // throughput
	Bound     float64     // µs that the objective asks for
	BoundName string      // of what: "p99"
}

// LoadCurve draws p50 and p99 over the throughput, latency logarithmic. Points
// are joined in the order of the rates offered, so that the curve of a server
// beyond its limit goes up, or back, as it did.
func LoadCurve(title, sub string, v Capacity) Figure {
	far, lo, hi := max(v.Limit, v.High), math.Inf(1), 0.0
	for _, p := range v.Points {
		far = max(far, p.RPS)
		for _, us := range []float64{p.P50, p.P99} {
			if us > 0 {
				lo, hi = min(lo, us), max(hi, us)
			}
		}
	}
	if v.Bound > 0 {
		lo, hi = min(lo, v.Bound), max(hi, v.Bound)
	}
	return Figure{
		Title: title, Sub: sub, Empty: len(v.Points) < 2 || hi == 0 || far == 0,
		height: func(w vg.Length) vg.Length {
			if aside(w) {
				return 360
			}
			return 290
		},
		draw: func(c draw.Canvas) {
			p := axes()
			p.X.Min, p.X.Max = 0, far*1.04
			p.X.Tick.Marker = niceTicks{tickLabel, far / 4 * float64(380/max(c.Size().X, 380))}
			p.X.Label.Text = "right answers per second"
			p.Y.Scale = plot.LogScale{}
			p.Y.Min, p.Y.Max = timeTicks{}.around(lo, hi)
			p.Y.Tick.Marker = timeTicks{}
			// The labels at the lines' ends stay within the frame.
			p.Add(gridlines{x: true, y: true}, loadLines{v})
			p.Draw(draw.Crop(c, 0, -14, 0, -16))
		},
	}
}

// loadLines draws limit, bound, knee and the two lines.
type loadLines struct{ v Capacity }

func (l loadLines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	v := l.v
	small := style(11.5, false, soft)
	limit := rgb(green.light)
	if v.Limit > 0 {
		band := limit
		band.A = 40
		right := c.Max.X
		if v.High > 0 {
			right = tx(v.High)
		}
		c.SetColor(band)
		c.Fill(rectangle(tx(v.Low), c.Min.Y, right, c.Max.Y))
		c.StrokeLine2(draw.LineStyle{Color: limit, Width: 1.4}, tx(v.Limit), c.Min.Y, tx(v.Limit), c.Max.Y)
		text := "limit " + tickLabel(v.Limit)
		if v.AtLeast {
			text = "at least " + tickLabel(v.Limit)
		}
		bold := style(12, true, limit)
		half := bold.Width(text) / 2
		put(c, bold, min(max(tx(v.Limit), c.Min.X+half), c.Max.X+14-half), c.Max.Y+4, draw.XCenter, text)
	}
	if v.Bound > 0 {
		c.StrokeLine2(draw.LineStyle{Color: soft, Width: 1, Dashes: short}, c.Min.X, ty(v.Bound), c.Max.X, ty(v.Bound))
		put(c, small, c.Min.X+6, ty(v.Bound)+4, draw.XLeft, v.BoundName+" asked for: "+roundTime(v.Bound))
	}
	if v.Knee > 0 {
		x := tx(v.Knee)
		c.StrokeLine2(draw.LineStyle{Color: soft, Width: 1, Dashes: dot}, x, c.Min.Y, x, c.Max.Y)
		put(c, small, x-5, c.Max.Y-14, draw.XRight, "knee "+tickLabel(v.Knee))
	}
	for _, line := range []struct {
		name  string
		of    func(LoadPoint) float64
		style Style
	}{
		{"p50", func(p LoadPoint) float64 { return p.P50 }, Style{rgb(blue.light), solid, disc{}}},
		{"p99", func(p LoadPoint) float64 { return p.P99 }, Style{rgb(vermillion.light), solid, polygon{4, 0.125}}},
	} {
		var points []vg.Point
		for _, q := range v.Points {
			if us := line.of(q); us > 0 {
				points = append(points, vg.Point{X: tx(q.RPS), Y: ty(us)})
			}
		}
		if len(points) == 0 {
			continue
		}
		c.StrokeLines(draw.LineStyle{Color: line.style.Color, Width: 1.8, Dashes: line.style.Dash}, points)
		for _, q := range points {
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: line.style.Color, Radius: 3.2, Shape: line.style.Marker}, q)
		}
		// At the first point the lines are farthest from everything else.
		put(c, style(12.5, true, line.style.Color), points[0].X, points[0].Y+8, draw.XCenter, line.name)
	}
}

// Around widens two times in µs to the next marks of an axis, and TimeTicks
// are its marks, for those who draw one with letters.
func Around(lo, hi float64) (low, high float64) { return timeTicks{}.around(lo, hi) }

// TimeTicks returns the marks of a logarithmic axis of µs.
func TimeTicks(lo, hi float64) []plot.Tick { return timeTicks{}.Ticks(lo, hi) }
