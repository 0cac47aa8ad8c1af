package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Curve is one line of Percentiles.
type Curve struct {
	Target string
	Points []Percentile // by P, ends where the samples run out
}

// Percentile is a latency that P per cent of the requests stay within.
type Percentile struct{ P, US float64 }

// nines is the place of a percentile on the axis: each step to the right is a
// tenth of the requests before it. 0 is 0, 90 is 1, 99 is 2.
func nines(p float64) float64 { return -math.Log10(1 - p/100) }

// Percentiles draws latency by percentile, both axes logarithmic, the way
// HdrHistogram's plots do: the tail, where servers differ, takes most of the
// room. The legend is in the order of the lines' ends.
func Percentiles(title, sub string, curves []Curve) Figure {
	var lines []Curve
	far, lo, hi := 1.0, math.Inf(1), 0.0
	for _, c := range curves {
		if len(c.Points) < 2 {
			continue
		}
		lines = append(lines, c)
		for _, p := range c.Points {
			far, lo, hi = max(far, nines(p.P)), min(lo, p.US), max(hi, p.US)
		}
	}
	// Worst first, as the lines end.
	slices.SortStableFunc(lines, func(a, b Curve) int {
		return cmp.Compare(b.Points[len(b.Points)-1].US, a.Points[len(a.Points)-1].US)
	})
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Target
	}
	return Figure{
		Title: title, Sub: sub, Empty: len(lines) == 0,
		height: func(w vg.Length) vg.Length {
			if aside(w) {
				return max(340, vg.Length(len(lines))*20+40)
			}
			return 280 + legendHeight(w, names)
		},
		draw: func(c draw.Canvas) {
			frame := legend(c, names, 34)
			p := axes()
			p.X.Min, p.X.Max = 0, far
			p.X.Tick.Marker = plot.ConstantTicks(percentTicks(far, frame.Size().X-50)) // less the labels of the other axis
			p.X.Label.Text = "percentile of the requests"
			p.Y.Scale = plot.LogScale{}
			p.Y.Min, p.Y.Max = timeTicks{}.around(lo, hi)
			p.Y.Tick.Marker = timeTicks{}
			p.Add(gridlines{x: true, y: true}, curveLines{lines})
			p.Draw(frame)
		},
	}
}

// percentTicks labels the percentiles that people know, the better known ones
// first, as far as they fit beside each other on an axis of the width.
func percentTicks(far float64, width vg.Length) []plot.Tick {
	type span struct{ from, to vg.Length }
	var taken []span
	var ticks []plot.Tick
	text := style(11.5, false, ink)
	for _, p := range []float64{99, 50, 99.9, 90, 99.99, 99.999, 99.9999, 0, 75, 95} {
		n := nines(p)
		if n > far+1e-9 {
			continue
		}
		label := strconv.FormatFloat(p, 'f', -1, 64) + " %"
		if p == 0 {
			label = "0"
		}
		at, half := vg.Length(n/far)*width, text.Width(label)/2+4
		s := span{at - half, at + half}
		if slices.ContainsFunc(taken, func(t span) bool { return s.from < t.to && t.from < s.to }) {
			continue
		}
		taken = append(taken, s)
		ticks = append(ticks, plot.Tick{Value: n, Label: label})
	}
	return ticks
}

// curveLines draws the lines with a marker now and then and one at the end.
type curveLines struct{ lines []Curve }

func (l curveLines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	for i := len(l.lines) - 1; i >= 0; i-- {
		s := StyleOf(l.lines[i].Target)
		points := make([]vg.Point, len(l.lines[i].Points))
		for j, q := range l.lines[i].Points {
			points[j] = vg.Point{X: tx(nines(q.P)), Y: ty(q.US)}
		}
		c.StrokeLines(draw.LineStyle{Color: s.Color, Width: 1.8, Dashes: s.Dash}, points)
		// Staggered, so that the markers of lines that lie together do not.
		next := c.Min.X + vg.Length(20+13*(i%6))
		for j, q := range points {
			if q.X >= next || j == len(points)-1 {
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: s.Color, Radius: 3.2, Shape: s.Marker}, q)
				next = q.X + 80
			}
		}
	}
}

// aside reports whether a figure of the width has room for a legend beside it.
func aside(width vg.Length) bool { return width > 500 }

const legendRow vg.Length = 20

// legendColumns returns how many entries fit beside each other below a figure.
func legendColumns(width vg.Length, names []string) int {
	widest := vg.Length(0)
	for _, n := range names {
		widest = max(widest, style(12, false, ink).Width(n))
	}
	return max(1, int(width/(widest+56)))
}

func legendHeight(width vg.Length, names []string) vg.Length {
	columns := legendColumns(width, names)
	return vg.Length((len(names)+columns-1)/columns)*legendRow + 10
}

// legend draws line, marker and name of each target beside or below the figure
// and returns what is left of the canvas.
func legend(c draw.Canvas, names []string, sample vg.Length) draw.Canvas {
	text := style(12, false, ink)
	entry := func(name string, x, y, width vg.Length) {
		s := StyleOf(name)
		c.StrokeLine2(draw.LineStyle{Color: s.Color, Width: 1.8, Dashes: s.Dash}, x, y, x+sample, y)
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: s.Color, Radius: 3.2, Shape: s.Marker}, vg.Point{X: x + sample/2, Y: y})
		put(c, text, x+sample+8, y-3, draw.XLeft, cut(text, name, width-sample-8))
	}
	width := c.Size().X
	if aside(width) {
		widest := vg.Length(0)
		for _, n := range names {
			widest = max(widest, text.Width(n))
		}
		column := min(widest, 150) + sample + 8
		for i, n := range names {
			entry(n, c.Max.X-column, c.Max.Y-legendRow*(vg.Length(i)+0.5), column)
		}
		return draw.Crop(c, 0, -(column + 20), 0, 0)
	}
	columns := legendColumns(width, names)
	height := legendHeight(width, names)
	for i, n := range names {
		x := c.Min.X + width/vg.Length(columns)*vg.Length(i%columns)
		entry(n, x, c.Min.Y+height-10-legendRow*(vg.Length(i/columns)+0.5), width/vg.Length(columns)-6)
	}
	return draw.Crop(c, 0, 0, height, 0)
}

// timeTicks marks a logarithmic axis of microseconds at 1, 2 and 5 times the
// powers of ten, or at fewer where that is enough.
type timeTicks struct{ few bool }

// The ends of what an axis can show, in µs. No clock tells less than the one,
// and no trial lasts as long as the other.
const leastTime, mostTime = 1e-6, 1e15

// bounded keeps lo and hi, which may come from a document that somebody made
// up, within what the loops over the decades come to an end with.
func (timeTicks) bounded(lo, hi float64) (float64, float64) {
	if !(lo >= leastTime) { // nor NaN
		lo = leastTime
	}
	if !(hi <= mostTime) {
		hi = mostTime
	}
	return min(lo, mostTime), max(hi, lo)
}

// steps returns the multiples of the powers of ten that are marked.
func (t timeTicks) steps(lo, hi float64) []float64 {
	switch decades := math.Log10(hi / lo); {
	case decades > 4 || t.few && decades > 2:
		return []float64{1}
	case decades > 2.5 || t.few && decades > 1:
		return []float64{1, 3}
	default:
		return []float64{1, 2, 5}
	}
}

// around widens lo and hi to the next marks, so that every axis has two.
func (t timeTicks) around(lo, hi float64) (float64, float64) {
	lo, hi = t.bounded(lo, hi)
	steps := t.steps(lo, hi)
	low, high := 0.0, math.Inf(1)
	for e := math.Floor(math.Log10(lo)) - 1; e <= math.Ceil(math.Log10(hi))+1; e++ {
		for _, s := range steps {
			if v := s * math.Pow(10, e); v <= lo {
				low = max(low, v)
			} else if v >= hi {
				high = min(high, v)
			}
		}
	}
	return low, high
}

func (t timeTicks) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	lo, hi = t.bounded(lo, hi)
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, s := range t.steps(lo, hi) {
			if v := s * math.Pow(10, e); v >= lo*(1-1e-9) && v <= hi*(1+1e-9) {
				ticks = append(ticks, plot.Tick{Value: v, Label: roundTime(v)})
			}
		}
	}
	return ticks
}

// roundTime prints a round duration without needless digits.
func roundTime(us float64) string {
	switch {
	case us < 1:
		return trim(us*1e3) + " ns"
	case us < 1e3:
		return trim(us) + " µs"
	case us < 1e6:
		return trim(us/1e3) + " ms"
	default:
		return trim(us/1e6) + " s"
	}
}

// Panel is one target of OverTime.
type Panel struct {
	Target string
	Trials [][]Step
}

// Step is one step of a trial's series; a figure that is not known is 0.
type Step struct{ S, P50, P99 float64 }

// OverTime draws a small panel for each target on common axes, one pair of
// lines per trial: p99 strong, p50 faint. Targets that have nothing to draw are
// named below the title.
func OverTime(title, sub string, panels []Panel) Figure {
	var shown []Panel
	var sparse []string
	end, lo, hi := 0.0, math.Inf(1), 0.0
	for _, p := range panels {
		any := false
		for _, t := range p.Trials {
			for i, s := range t {
				if end = max(end, s.S); i > 0 { // the last step has a length, too
					end = max(end, s.S+(s.S-t[i-1].S))
				}
				for _, v := range []float64{s.P50, s.P99} {
					if v > 0 {
						lo, hi, any = min(lo, v), max(hi, v), true
					}
				}
			}
		}
		if any {
			shown = append(shown, p)
		} else {
			sparse = append(sparse, p.Target)
		}
	}
	if len(sparse) > 0 {
		sub += " · too few answers to draw: " + strings.Join(sparse, ", ")
	}
	var panes []small
	for _, p := range shown {
		panes = append(panes, small{
			name: p.Target,
			scale: func(q *plot.Plot) {
				q.Y.Scale = plot.LogScale{}
				q.Y.Min, q.Y.Max = timeTicks{few: true}.around(lo, hi)
			},
			ticks: timeTicks{few: true},
			lines: seriesLines{p},
		})
	}
	return sideBySide(title, sub, end, true, panes)
}

// seriesLines draws the lines of one panel, broken where a figure is missing.
type seriesLines struct{ panel Panel }

func (l seriesLines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	s := StyleOf(l.panel.Target)
	line := func(steps []Step, of func(Step) float64, sty draw.LineStyle) {
		var points []vg.Point
		flush := func() {
			if len(points) > 1 {
				c.StrokeLines(sty, points)
			}
			points = nil
		}
		for _, step := range steps {
			if v := of(step); v > 0 {
				points = append(points, vg.Point{X: tx(step.S), Y: ty(v)})
			} else {
				flush()
			}
		}
		flush()
	}
	faint := s.Color
	faint.A = 110
	for _, t := range l.panel.Trials {
		line(t, func(s Step) float64 { return s.P50 }, draw.LineStyle{Color: faint, Width: 1})
		line(t, func(s Step) float64 { return s.P99 }, draw.LineStyle{Color: s.Color, Width: 1.3})
	}
}
