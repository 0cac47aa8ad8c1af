package plot

import (
	"bytes"
	"image/color"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	xfont "golang.org/x/image/font"
)

// The two widths in pixels: for a desk and for a phone.
const (
	Wide   = 760
	Narrow = 352
)

// Figure is one figure, drawn when it is written. A Figure without data is
// Empty and must not be written.
type Figure struct {
	Title  string // what it shows
	Sub    string // with which unit and which marks
	Empty  bool
	height func(width vg.Length) vg.Length // of what is below the title
	draw   func(c draw.Canvas)
}

// SVG writes the figure as an SVG document at the given width. Alone it brings
// its own paper; otherwise it takes ink and paper from the page it is put in.
func (f Figure) SVG(w io.Writer, width int, alone bool) error {
	c := newSVG(f.size(width))
	f.drawOn(c)
	return c.writeTo(w, f.Title+": "+f.Sub, alone)
}

// PNG writes the figure as a PNG at the given width, with two pixels for each
// one.
func (f Figure) PNG(w io.Writer, width int) error {
	x, y := f.size(width)
	c := vgimg.NewWith(vgimg.UseWH(x, y), vgimg.UseDPI(144))
	f.drawOn(c)
	var b bytes.Buffer
	// The fastest compression costs a fifth of the time and a third more bytes.
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, c.Image()); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

const (
	margin   vg.Length = 10
	titleGap vg.Length = 12
)

// heading returns the lines above the figure, broken to the width.
func (f Figure) heading(width vg.Length) (title, sub []string, height vg.Length) {
	title = wrap(style(14.5, true, ink), f.Title, width-2*margin)
	sub = wrap(style(12, false, soft), f.Sub, width-2*margin)
	return title, sub, margin + vg.Length(len(title))*19 + vg.Length(len(sub))*16 + titleGap
}

func (f Figure) size(width int) (x, y vg.Length) {
	x = vg.Length(width)
	_, _, heading := f.heading(x)
	return x, heading + f.height(x-2*margin) + margin
}

func (f Figure) drawOn(target vg.CanvasSizer) {
	c := draw.New(target)
	title, sub, height := f.heading(c.Size().X)
	y := c.Max.Y - margin
	for _, l := range title {
		y -= 19
		put(c, style(14.5, true, ink), c.Min.X+margin, y+5, draw.XLeft, l)
	}
	for _, l := range sub {
		y -= 16
		put(c, style(12, false, soft), c.Min.X+margin, y+4, draw.XLeft, l)
	}
	f.draw(draw.Crop(c, margin, -margin, margin, -height))
}

// style returns a text style of so many pixels.
func style(size float64, bold bool, c color.Color) text.Style {
	f := font.From(sans, vg.Length(size))
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler, YAlign: draw.YBottom}
}

// put draws text whose baseline is near y.
func put(c draw.Canvas, s text.Style, x, y vg.Length, align draw.XAlignment, txt string) {
	s.XAlign = align
	c.FillText(s, vg.Point{X: x, Y: y - s.FontExtents().Descent}, txt)
}

// wrap breaks text between words.
func wrap(s text.Style, txt string, width vg.Length) []string {
	if txt == "" {
		return nil
	}
	var lines []string
	line := ""
	for _, word := range bytes.Fields([]byte(txt)) {
		longer := string(word)
		if line != "" {
			longer = line + " " + longer
		}
		if line != "" && s.Width(longer) > width {
			lines = append(lines, line)
			longer = string(word)
		}
		line = longer
	}
	return append(lines, line)
}

// cut shortens text to the width, with an ellipsis.
func cut(s text.Style, txt string, width vg.Length) string {
	if s.Width(txt) <= width {
		return txt
	}
	r := []rune(txt)
	for len(r) > 1 && s.Width(string(r)+"…") > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// axes returns a plot with this package's axes: thin, labelled, no frame.
func axes() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = draw.LineStyle{Color: soft, Width: 0.8}
		a.Tick.LineStyle = draw.LineStyle{Color: soft, Width: 0.8}
		a.Tick.Length = 4
		a.Padding = 0
		x, y := a.Tick.Label.XAlign, a.Tick.Label.YAlign
		a.Tick.Label = style(11.5, false, ink)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = x, y
		x, y = a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign
		a.Label.TextStyle = style(12, false, soft)
		a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = x, y
		a.Label.Padding = 4
	}
	return p
}

// gridlines draws a faint line at each labelled tick.
type gridlines struct{ x, y bool }

func (g gridlines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	line := draw.LineStyle{Color: grid, Width: 0.8}
	if g.x {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if x := tx(t.Value); t.Label != "" && c.ContainsX(x) {
				c.StrokeLine2(line, x, c.Min.Y, x, c.Max.Y)
			}
		}
	}
	if g.y {
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if y := ty(t.Value); t.Label != "" && c.ContainsY(y) {
				c.StrokeLine2(line, c.Min.X, y, c.Max.X, y)
			}
		}
	}
}

func circle(p vg.Point, r vg.Length) vg.Path {
	var path vg.Path
	path.Move(vg.Point{X: p.X + r, Y: p.Y})
	path.Arc(p, r, 0, 2*math.Pi)
	path.Close()
	return path
}

func corners(p vg.Point, r vg.Length, n int, turn float64) vg.Path {
	var path vg.Path
	for i := range n {
		a := 2 * math.Pi * (turn + float64(i)/float64(n))
		q := vg.Point{X: p.X + r*vg.Length(math.Cos(a)), Y: p.Y + r*vg.Length(math.Sin(a))}
		if i == 0 {
			path.Move(q)
		} else {
			path.Line(q)
		}
	}
	path.Close()
	return path
}

func rectangle(x0, y0, x1, y1 vg.Length) vg.Path {
	var p vg.Path
	p.Move(vg.Point{X: x0, Y: y0})
	p.Line(vg.Point{X: x1, Y: y0})
	p.Line(vg.Point{X: x1, Y: y1})
	p.Line(vg.Point{X: x0, Y: y1})
	p.Close()
	return p
}
