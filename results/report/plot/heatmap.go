package plot

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynobench/dyno/internal/format"
)

// HeatStep is one step of a HeatMap.
type HeatStep struct {
	S       float64     // when it begins
	Counts  []HeatCount // by latency
	Errors  int64
	Backlog int64 // at its end
}

// HeatCount is how many answers took so long.
type HeatCount struct {
	US float64
	N  int64
}

const (
	heatCell     vg.Length = 4 // height of a cell
	heatRows               = 72
	heatBar      vg.Length = 46 // the scale of colours below, with its labels
	heatStrip    vg.Length = 34 // the backlog below the map
	heatLevels             = 12
	leastDecades           = 1.2 // of latency that the map spans at least
)

// HeatMap draws latency over time: in each cell of a step and a narrow range of
// latency, how many answers fell into it, with p50 and p99 on top.
// Both latency and colour are logarithmic, so that a single slow answer is
// seen beside a million fast ones. length is that of the window in seconds.
func HeatMap(title string, steps []HeatStep, length float64) Figure {
	lo, hi := math.Inf(1), 0.0
	errors, backlog := int64(0), int64(0)
	for _, s := range steps {
		errors += s.Errors
		backlog = max(backlog, s.Backlog)
		for _, c := range s.Counts {
			lo, hi = min(lo, c.US), max(hi, c.US)
		}
	}
	sub := "lines: p50 and p99, as far as the samples allow"
	if errors > 0 {
		sub += " · marks above: errors, " + format.Count(errors) + " in all"
	}
	strip := vg.Length(0)
	if backlog > 0 {
		sub += " · backlog: due and not yet sent"
		strip = heatStrip
	}
	return Figure{
		Title: title, Sub: sub, Empty: hi <= 0 || length <= 0,
		height: func(vg.Length) vg.Length { return heatRows*heatCell + 8 + strip + 34 + heatBar },
		draw: func(c draw.Canvas) {
			m := layHeat(steps, length, lo, hi, c.Size().X)
			m.at = vg.Rectangle{Max: vg.Point{X: c.Max.X - heatRight, Y: snap(c.Max.Y - 8)}}
			m.at.Min = vg.Point{X: snap(c.Min.X + heatLeft), Y: m.at.Max.Y - heatRows*heatCell}
			m.axes(c, strip)
			m.cells(c)
			m.lines(c)
			if errors > 0 {
				m.errors(c)
			}
			if backlog > 0 {
				m.backlog(c, backlog)
			}
			m.scale(c)
		},
	}
}

// Room for the labels beside the map.
const (
	heatLeft  vg.Length = 50
	heatRight vg.Length = 34
)

// snap moves an edge to a whole pixel, or neighbouring cells would have seams.
func snap(x vg.Length) vg.Length { return vg.Length(math.Round(float64(x))) }

// A heat is a HeatMap that has been laid out.
type heat struct {
	steps  []HeatStep
	merged int // steps in a column
	length float64
	lo     float64   // log10 of the lowest latency
	row    float64   // decades in a row
	counts [][]int64 // by column and row
	most   int64
	at     vg.Rectangle
}

// layHeat counts the answers of each cell. Where steps would be narrower than
// three pixels, several make a column.
func layHeat(steps []HeatStep, length, lo, hi float64, width vg.Length) *heat {
	m := &heat{steps: steps, length: length, merged: 1}
	inner := float64(width - heatLeft - heatRight)
	for float64((len(steps)+m.merged-1)/m.merged)*3 > inner {
		m.merged++
	}
	m.lo = math.Log10(lo)
	span := math.Log10(hi) - m.lo
	if wider := leastDecades - span; wider > 0 {
		m.lo, span = m.lo-wider/2, leastDecades
	}
	m.lo -= span * 0.03
	m.row = span * 1.06 / heatRows
	for i, s := range steps {
		if i%m.merged == 0 {
			m.counts = append(m.counts, make([]int64, heatRows))
		}
		column := m.counts[len(m.counts)-1]
		for _, c := range s.Counts {
			r := int((math.Log10(c.US) - m.lo) / m.row)
			column[min(max(r, 0), heatRows-1)] += c.N
		}
	}
	for _, column := range m.counts {
		m.most = max(m.most, slices.Max(column))
	}
	return m
}

// x is where a time is on the paper, y where a latency is.
func (m *heat) x(s float64) vg.Length {
	return m.at.Min.X + vg.Length(s/m.length)*(m.at.Max.X-m.at.Min.X)
}

func (m *heat) y(us float64) vg.Length {
	return m.at.Min.Y + vg.Length((math.Log10(us)-m.lo)/m.row)*heatCell
}

// edge is where column i begins.
func (m *heat) edge(i int) vg.Length {
	if i*m.merged >= len(m.steps) {
		return snap(m.at.Max.X)
	}
	return snap(m.x(m.steps[i*m.merged].S))
}

// level is the colour of a count: 1 is the first, the most is the last.
func (m *heat) level(n int64) int {
	if n == 0 {
		return -1
	}
	if n == 1 {
		return 0
	}
	return min(int(math.Log(float64(n))/math.Log(float64(m.most))*heatLevels), heatLevels-1)
}

// cells fills the cells, one path for each colour, neighbours in one piece.
func (m *heat) cells(c draw.Canvas) {
	paths := make([]vg.Path, heatLevels)
	done := make([][]bool, len(m.counts))
	for i := range done {
		done[i] = make([]bool, heatRows)
	}
	is := func(i, row, level int) bool {
		return i < len(m.counts) && row < heatRows && !done[i][row] && m.level(m.counts[i][row]) == level
	}
	for row := range heatRows {
		for i := range m.counts {
			level := m.level(m.counts[i][row])
			if level < 0 || done[i][row] {
				continue
			}
			right := i + 1
			for is(right, row, level) {
				right++
			}
			top := row + 1
			for all := true; all; {
				for j := i; j < right && all; j++ {
					all = is(j, top, level)
				}
				if all {
					top++
				}
			}
			for j := i; j < right; j++ {
				for r := row; r < top; r++ {
					done[j][r] = true
				}
			}
			y := m.at.Min.Y
			paths[level] = append(paths[level], rectangle(m.edge(i), y+vg.Length(row)*heatCell, m.edge(right), y+vg.Length(top)*heatCell)...)
		}
	}
	for level, p := range paths {
		c.SetColor(rgb(heatRamp[level].light))
		c.Fill(p)
	}
}

// lines draws p50 and p99 of each column with a rim of paper, so that they are
// seen on every colour, and names them at their ends.
func (m *heat) lines(c draw.Canvas) {
	taken := vg.Length(math.Inf(-1))
	for _, percent := range []int64{50, 99} {
		var parts [][]vg.Point
		var part []vg.Point
		last := vg.Length(-1)
		for i := range m.counts {
			us := m.percentile(i, percent)
			if us == 0 && len(part) > 0 {
				parts, part = append(parts, part), nil
			}
			if us > 0 {
				last = m.y(us)
				part = append(part, vg.Point{X: (m.edge(i) + m.edge(i+1)) / 2, Y: last})
			}
		}
		if len(part) > 0 {
			parts = append(parts, part)
		}
		for _, sty := range []draw.LineStyle{{Color: paper, Width: 3}, {Color: ink, Width: 1.2}} {
			for _, p := range parts {
				if len(p) == 1 { // a column alone
					p = []vg.Point{{X: p[0].X - 1.5, Y: p[0].Y}, {X: p[0].X + 1.5, Y: p[0].Y}}
				}
				c.StrokeLines(sty, p)
			}
		}
		if last >= 0 {
			taken = max(last, taken+12)
			put(c, style(11.5, false, ink), m.at.Max.X+6, taken-4, draw.XLeft, "p"+strconv.FormatInt(percent, 10))
		}
	}
}

// percentile is that of the answers of column i, 0 with fewer than ten beyond.
func (m *heat) percentile(i int, percent int64) float64 {
	var all []HeatCount
	n := int64(0)
	for _, s := range m.column(i) {
		all = append(all, s.Counts...)
	}
	slices.SortFunc(all, func(a, b HeatCount) int { return cmp.Compare(a.US, b.US) })
	for _, c := range all {
		n += c.N
	}
	if n*(100-percent) < 10*100 {
		return 0
	}
	rank := (n*percent + 99) / 100
	for _, c := range all {
		if rank -= c.N; rank <= 0 {
			return c.US
		}
	}
	return 0
}

// column returns the steps of column i.
func (m *heat) column(i int) []HeatStep {
	return m.steps[i*m.merged : min((i+1)*m.merged, len(m.steps))]
}

// axes draws what the cells lie on.
func (m *heat) axes(c draw.Canvas, strip vg.Length) {
	label := style(11.5, false, ink)
	lo, hi := math.Pow(10, m.lo), math.Pow(10, m.lo+m.row*heatRows)
	for _, t := range (timeTicks{}).Ticks(lo, hi) {
		y := m.y(t.Value)
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.8}, m.at.Min.X, y, m.at.Max.X, y)
		if y-m.at.Min.Y > 4 && m.at.Max.Y-y > 4 {
			put(c, label, m.at.Min.X-6, y-4, draw.XRight, t.Label)
		}
	}
	bottom := m.at.Min.Y - strip
	c.StrokeLine2(draw.LineStyle{Color: soft, Width: 0.8}, m.at.Min.X, m.at.Min.Y, m.at.Max.X, m.at.Min.Y)
	width := m.at.Max.X - m.at.Min.X
	ticks := niceTicks{trim, 60 * m.length / float64(width)}.Ticks(0, m.length)
	for _, t := range apart(ticks, width) {
		x := m.x(t.Value)
		c.StrokeLine2(draw.LineStyle{Color: soft, Width: 0.8}, x, bottom, x, bottom-4)
		align, text := draw.XCenter, t.Label+" s"
		if x+label.Width(text)/2 > c.Max.X {
			align = draw.XRight
		}
		put(c, label, x, bottom-18, align, text)
	}
}

// errors marks the columns in which requests failed.
func (m *heat) errors(c draw.Canvas) {
	c.SetColor(rgb(vermillion.light))
	var p vg.Path
	for i := range m.counts {
		n := int64(0)
		for _, s := range m.column(i) {
			n += s.Errors
		}
		if n > 0 {
			x := m.edge(i)
			p = append(p, rectangle(x, m.at.Max.Y+2, max(m.edge(i+1), x+2), m.at.Max.Y+7)...)
		}
	}
	c.Fill(p)
}

// backlog draws how many requests waited, in a strip of its own below the map.
func (m *heat) backlog(c draw.Canvas, most int64) {
	base := m.at.Min.Y - heatStrip
	room := heatStrip - 8
	height := func(n int64) vg.Length { return vg.Length(float64(n)/float64(most)) * room }
	var p vg.Path
	p.Move(vg.Point{X: m.at.Min.X, Y: base})
	for i, s := range m.steps {
		end := m.length
		if i+1 < len(m.steps) {
			end = m.steps[i+1].S
		}
		p.Line(vg.Point{X: m.x(end), Y: base + height(s.Backlog)})
	}
	p.Line(vg.Point{X: m.at.Max.X, Y: base})
	p.Close()
	c.SetColor(rgb(grey.light))
	c.Fill(p)
	c.StrokeLine2(draw.LineStyle{Color: soft, Width: 0.8}, m.at.Min.X, base, m.at.Max.X, base)
	put(c, style(11.5, false, ink), m.at.Min.X-6, base+room-9, draw.XRight, tickLabel(float64(most)))
	put(c, style(11.5, false, soft), m.at.Min.X-6, base-1, draw.XRight, "backlog")
}

// scale draws the colours with the counts that they stand for.
func (m *heat) scale(c draw.Canvas) {
	label, y := style(11.5, false, ink), snap(c.Min.Y+18)
	x, cell := m.at.Min.X, snap(min(22, (c.Max.X-m.at.Min.X)/(heatLevels+2)))
	levels := heatLevels
	if m.most == 1 {
		levels = 1
	}
	for level := range levels {
		c.SetColor(rgb(heatRamp[level].light))
		c.Fill(rectangle(x+vg.Length(level)*cell, y, x+vg.Length(level+1)*cell, y+10))
	}
	width := cell * vg.Length(levels)
	var ticks []plot.Tick
	most := float64(max(m.most, 2))
	for n := 1.0; n <= most; n *= 10 {
		ticks = append(ticks, plot.Tick{Value: math.Log(n) / math.Log(most), Label: tickLabel(n)})
	}
	if m.most > 1 && ticks[len(ticks)-1].Value < 0.75 {
		ticks = append(ticks, plot.Tick{Value: 1, Label: tickLabel(most)})
	}
	for _, t := range apart(ticks, width) {
		put(c, label, x+width*vg.Length(t.Value), c.Min.Y+2, draw.XCenter, t.Label)
	}
	step := m.length
	if len(m.steps) > m.merged {
		step = m.steps[m.merged].S - m.steps[0].S
	}
	text := "answers in a cell of " + roundTime(math.Round(step*1e6)) + " and " + format.Percent(100*(math.Pow(10, m.row)-1)) + " %"
	put(c, style(12, false, soft), x+width+12, y, draw.XLeft, cut(style(12, false, soft), text, c.Max.X-x-width-12))
}

// heatRamp goes from few to many, so that many stand out from the ground. It
// is a part of plasma, by van der Walt and Smith (CC0): even to the eye, and
// for the colour-blind as well; the end that would drown in the ground is left
// out, or single answers would.
var heatRamp = func() (ramp [heatLevels]swatch) {
	for i := range ramp {
		t := float64(i) / (heatLevels - 1)
		ramp[i] = swatch{plasma(0.78 - 0.78*t), plasma(0.30 + 0.70*t)}
	}
	return ramp
}()

var plasmaAt = []uint32{0x0d0887, 0x46039f, 0x7201a8, 0x9c179e, 0xbd3786, 0xd8576b, 0xed7953, 0xfb9f3a, 0xfdca26, 0xf0f921}

// plasma is the colour at t, 0 to 1.
func plasma(t float64) uint32 {
	at := t * float64(len(plasmaAt)-1)
	i := min(int(at), len(plasmaAt)-2)
	a, b := rgb(plasmaAt[i]), rgb(plasmaAt[i+1])
	mix := func(x, y uint8) uint32 {
		return uint32(math.Round(float64(x) + (float64(y)-float64(x))*(at-float64(i))))
	}
	return mix(a.R, b.R)<<16 | mix(a.G, b.G)<<8 | mix(a.B, b.B)
}
