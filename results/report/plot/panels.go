package plot

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// small is one of several panels side by side, over a window of time.
type small struct {
	name  string
	scale func(*plot.Plot) // sets the axis upwards
	ticks plot.Ticker      // of it
	lines plot.Plotter
}

// sideBySide draws a small panel for each target on a common axis of time up to
// end, in seconds. Ten targets in one frame would be a tangle; side by side the
// eye compares shapes. If the axes upwards are common only the first of a row
// has labels.
func sideBySide(title, sub string, end float64, common bool, shown []small) Figure {
	const panel, left, bottom = 130, 46, 20
	columns := func(w vg.Length) int {
		switch {
		case !aside(w):
			return max(1, min(2, len(shown)))
		case len(shown)%4 != 0 && (len(shown)%3 == 0 || len(shown) == 5): // no lonely one in the last row
			return 3
		}
		return max(1, min(4, len(shown)))
	}
	rows := func(w vg.Length) int { return (len(shown) + columns(w) - 1) / columns(w) }
	return Figure{
		Title: title, Sub: sub, Empty: len(shown) == 0,
		height: func(w vg.Length) vg.Length { return vg.Length(rows(w))*panel + bottom },
		draw: func(c draw.Canvas) {
			n := columns(c.Size().X)
			first, gap := vg.Length(left), vg.Length(0)
			if !common {
				first, gap = 0, 34
			}
			width := (c.Size().X - first) / vg.Length(n)
			name := style(12, true, ink)
			tick := style(11, false, ink)
			for i, p := range shown {
				x, y := c.Min.X+first+width*vg.Length(i%n)+gap, c.Max.Y-vg.Length(i/n)*panel
				cell := c
				cell.Rectangle = vg.Rectangle{Min: vg.Point{X: x, Y: y - panel + 8}, Max: vg.Point{X: x + width - gap - 12, Y: y - 20}}
				put(c, name, x, y-13, draw.XLeft, cut(name, p.name, width-gap-14))
				q := axes()
				q.HideAxes()
				q.X.Min, q.X.Max = 0, max(end, 0.1)
				p.scale(q)
				q.Add(frame{p.ticks}, p.lines)
				q.Draw(cell)
				tx, ty := q.Transforms(&cell)
				if i%n == 0 || !common {
					for _, t := range p.ticks.Ticks(q.Y.Min, q.Y.Max) {
						put(c, tick, x-6, ty(t.Value)-2.5, draw.XRight, t.Label)
					}
				}
				if i+n >= len(shown) {
					for j, t := range (niceTicks{show: trim, least: q.X.Max / 2.5}).Ticks(0, q.X.Max) {
						label, align := t.Label+" s", draw.XCenter
						switch { // stay beside the labels of the next panel
						case j == 0:
							label, align = "0", draw.XLeft
						case tx(t.Value)+tick.Width(label)/2 > cell.Max.X:
							align = draw.XRight
						}
						put(c, tick, tx(t.Value), cell.Min.Y-15, align, label)
					}
				}
			}
		},
	}
}

// frame draws the ground of a panel: a base line and lines at the ticks.
type frame struct{ ticks plot.Ticker }

func (f frame) Plot(c draw.Canvas, p *plot.Plot) {
	_, ty := p.Transforms(&c)
	for _, t := range f.ticks.Ticks(p.Y.Min, p.Y.Max) {
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.8}, c.Min.X, ty(t.Value), c.Max.X, ty(t.Value))
	}
	c.StrokeLine2(draw.LineStyle{Color: soft, Width: 0.8}, c.Min.X, c.Min.Y, c.Max.X, c.Min.Y)
}
