package plot

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"

	"github.com/dynobench/dyno/internal/format"
)

// svg is a vg.Canvas. gonum's own writes a style of some 200 bytes with every
// line and fixes black ink on white; a report has dozens of figures inside one
// page that may be dark, so this one writes short attributes, tenths of a
// pixel, and currentColor for ink.
type svg struct {
	w, h  vg.Length
	body  strings.Builder
	now   state
	stack []state
}

// state is what Push saves: the transform x' = a·x + c·y + e, y' = b·x + d·y + f
// and the pen.
type state struct {
	a, b, c, d, e, f float64
	width            vg.Length
	dash             []vg.Length
	color            color.NRGBA
}

var _ vg.CanvasSizer = (*svg)(nil)

func newSVG(w, h vg.Length) *svg {
	s := &svg{w: w, h: h, now: state{a: 1, d: 1}}
	vg.Initialize(s)
	return s
}

func (s *svg) Size() (x, y vg.Length)                 { return s.w, s.h }
func (s *svg) SetLineWidth(w vg.Length)               { s.now.width = w }
func (s *svg) SetLineDash(d []vg.Length, _ vg.Length) { s.now.dash = slices.Clone(d) }
func (s *svg) Push()                                  { s.stack = append(s.stack, s.now) }

func (s *svg) SetColor(c color.Color) {
	if c == nil {
		c = color.Black
	}
	s.now.color = color.NRGBAModel.Convert(c).(color.NRGBA)
}

func (s *svg) Pop() {
	s.now = s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
}

func (s *svg) Translate(p vg.Point) {
	t := &s.now
	t.e += t.a*float64(p.X) + t.c*float64(p.Y)
	t.f += t.b*float64(p.X) + t.d*float64(p.Y)
}

func (s *svg) Scale(x, y float64) {
	t := &s.now
	t.a, t.b, t.c, t.d = t.a*x, t.b*x, t.c*y, t.d*y
}

func (s *svg) Rotate(r float64) {
	t, sin, cos := s.now, math.Sin(r), math.Cos(r)
	s.now.a, s.now.b = t.a*cos+t.c*sin, t.b*cos+t.d*sin
	s.now.c, s.now.d = t.c*cos-t.a*sin, t.d*cos-t.b*sin
}

// at maps a point to the page, where y grows downwards.
func (s *svg) at(p vg.Point) (x, y float64) {
	t := s.now
	return t.a*float64(p.X) + t.c*float64(p.Y) + t.e, float64(s.h) - (t.b*float64(p.X) + t.d*float64(p.Y) + t.f)
}

// num prints tenths.
func num(v float64) string {
	v = math.Round(v*10) / 10
	if v == 0 {
		v = 0 // not −0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func (s *svg) xy(p vg.Point) string {
	x, y := s.at(p)
	return num(x) + " " + num(y)
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// paint returns the attribute name (fill or stroke) for the pen's colour.
func (s *svg) paint(name string) string {
	c := s.now.color
	value := hex(c)
	if c.R == 0 && c.G == 0 && c.B == 0 {
		value = "currentColor"
	}
	out := " " + name + `="` + value + `"`
	if c.A != 255 {
		out += " " + name + `-opacity="` + strconv.FormatFloat(math.Round(float64(c.A)/255*100)/100, 'f', -1, 64) + `"`
	}
	return out
}

func (s *svg) Stroke(p vg.Path) {
	if s.now.width <= 0 || len(p) == 0 {
		return
	}
	dash := ""
	if len(s.now.dash) > 0 {
		var d []string
		for _, l := range s.now.dash {
			d = append(d, num(float64(l)))
		}
		dash = ` stroke-dasharray="` + strings.Join(d, " ") + `"`
	}
	fmt.Fprintf(&s.body, "<path d=\"%s\" fill=\"none\"%s stroke-width=\"%s\"%s/>\n", s.path(p), s.paint("stroke"), num(float64(s.now.width)), dash)
}

func (s *svg) Fill(p vg.Path) {
	if len(p) == 0 {
		return
	}
	fmt.Fprintf(&s.body, "<path d=\"%s\"%s/>\n", s.path(p), s.paint("fill"))
}

func (s *svg) path(p vg.Path) string {
	var b strings.Builder
	for _, c := range p {
		switch c.Type {
		case vg.MoveComp:
			b.WriteString("M" + s.xy(c.Pos))
		case vg.LineComp:
			b.WriteString("L" + s.xy(c.Pos))
		case vg.CurveComp:
			b.WriteByte("QC"[len(c.Control)-1])
			for _, q := range c.Control {
				b.WriteString(s.xy(q) + " ")
			}
			b.WriteString(s.xy(c.Pos))
		case vg.ArcComp:
			s.arc(&b, c)
		case vg.CloseComp:
			b.WriteString("Z")
		}
	}
	return b.String()
}

// arc writes an arc in two halves, because one of a full turn would be nothing.
func (s *svg) arc(b *strings.Builder, c vg.PathComp) {
	on := func(angle float64) string {
		return s.xy(vg.Point{X: c.Pos.X + c.Radius*vg.Length(math.Cos(angle)), Y: c.Pos.Y + c.Radius*vg.Length(math.Sin(angle))})
	}
	verb, sweep := "L", "0"
	if b.Len() == 0 {
		verb = "M"
	}
	if c.Angle < 0 {
		sweep = "1"
	}
	r := num(float64(c.Radius) * math.Hypot(s.now.a, s.now.b))
	b.WriteString(verb + on(c.Start))
	for _, part := range []float64{0.5, 1} {
		b.WriteString("A" + r + " " + r + " 0 0 " + sweep + " " + on(c.Start+c.Angle*part))
	}
}

func escape(text string) string { return markup.Replace(format.Line(text)) }

var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func (s *svg) FillString(f font.Face, p vg.Point, text string) {
	if f.Font.Size <= 0 || text == "" {
		return
	}
	x, y := s.at(p)
	turn := ""
	if angle := math.Atan2(s.now.b, s.now.a) * 180 / math.Pi; math.Abs(angle) > 0.01 {
		turn = fmt.Sprintf(` transform="rotate(%s %s %s)"`, num(-angle), num(x), num(y))
	}
	weight := ""
	if f.Font.Weight > 0 {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(&s.body, "<text x=\"%s\" y=\"%s\" font-size=\"%s\"%s%s%s>%s</text>\n", num(x), num(y), num(float64(f.Font.Size)), weight, s.paint("fill"), turn, escape(text))
}

// DrawImage does nothing: no figure holds an image.
func (s *svg) DrawImage(vg.Rectangle, image.Image) {}

// writeTo writes the figure with its name for readers who do not see it;
// standing alone it brings white paper, inside a page it takes the page's and
// leaves the margin at its sides to it.
func (s *svg) writeTo(w io.Writer, name string, alone bool) error {
	size := fmt.Sprintf(`viewBox="%s 0 %s %s"`, num(float64(margin)), num(float64(s.w-2*margin)), num(float64(s.h)))
	ground := ""
	if alone {
		size = fmt.Sprintf(`viewBox="0 0 %s %s"`, num(float64(s.w)), num(float64(s.h))) + fmt.Sprintf(` width="%s" height="%s" color="#1c1c20"`, num(float64(s.w)), num(float64(s.h)))
		ground = "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
	}
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" %s role=\"img\" aria-label=\"%s\" font-family=\"'Liberation Sans',Arial,Helvetica,sans-serif\">\n%s%s</svg>\n",
		size, escape(name), ground, s.body.String())
	return err
}
