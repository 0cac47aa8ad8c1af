// Package plot draws the figures of a report with gonum/plot: how much each
// target did with which spread, latency by percentile, latency over time.
//
// A Figure is drawn at two widths, so that its letters are readable on a desk
// and on a phone, and onto two canvases: SVG of its own (small, without fixed
// ink, so that a page can show it light or dark) and PNG at twice the size.
// The package knows nothing of runs; package report hands it numbers.
package plot

import (
	"hash/fnv"
	"image/color"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Style is how a target looks in every figure of every run. Colour alone does
// not tell a dozen targets apart, less so to colour-blind readers or on grey
// paper, so each has a dash and a marker as well.
type Style struct {
	Color  color.NRGBA
	Dash   []vg.Length
	Marker draw.GlyphDrawer
}

// A swatch is a colour on white and its counterpart on dark grey. The hues are
// those of Okabe and Ito's palette and of Paul Tol's muted one; the dark
// counterparts are lifted until they stand out as much.
type swatch struct{ light, dark uint32 }

var (
	blue       = swatch{0x0072b2, 0x4aa8e0}
	vermillion = swatch{0xd55e00, 0xf08a4b}
	green      = swatch{0x009e73, 0x2cc79a}
	sky        = swatch{0x56b4e9, 0x8fd0f5}
	pink       = swatch{0xcc79a7, 0xe3a3c6}
	wine       = swatch{0x882255, 0xd0709f}
	indigo     = swatch{0x332288, 0x9a8ce8}
	olive      = swatch{0x8a8a2a, 0xc6c65a}
	orange     = swatch{0xe69f00, 0xf2b640}
	forest     = swatch{0x117733, 0x5dbb7e}
	purple     = swatch{0xaa4499, 0xd583c8}
	teal       = swatch{0x44aa99, 0x6fd0c0}
	rose       = swatch{0xd81e6a, 0xff86b4}
	brown      = swatch{0x661100, 0xd08a75}
	black      = swatch{0x333338, 0xe2e2e6} // the yardsticks are grey: they are what the others are held against
	grey       = swatch{0x77777d, 0xa3a3aa}
	pale       = swatch{0xa6a6ac, 0x74747c}
)

var (
	solid   []vg.Length
	long    = []vg.Length{9, 3}
	short   = []vg.Length{4, 3}
	dot     = []vg.Length{1.5, 2.5}
	dashDot = []vg.Length{9, 3, 1.5, 3}
	twoDots = []vg.Length{9, 3, 1.5, 2.5, 1.5, 3}
	dashes  = [][]vg.Length{solid, long, short, dashDot, dot, twoDots}
	markers = []draw.GlyphDrawer{disc{}, polygon{4, 0.125}, polygon{3, 0.25}, polygon{4, 0.25}, polygon{3, 0.75}, ring{}}
)

// known gives each engine and yardstick its look. It is explicit so that it
// stays: a new name gets a line here and takes none from the others.
var known = []struct {
	name   string
	colour swatch
	dash   int
	marker int
}{
	{"eventloop", blue, 0, 0},
	{"goroutine", vermillion, 0, 1},
	{"coroutine", green, 1, 3},
	{"goroutine-per-request", vermillion, 2, 5},
	{"gnet", sky, 1, 1},
	{"eventloop-pool", sky, 1, 5},
	{"pool", pink, 1, 2},
	{"threads", wine, 2, 4},
	{"prefork", indigo, 3, 2},
	{"prefork-goroutine", teal, 0, 5}, // beside prefork in every run by default
	{"sync", olive, 2, 1},
	{"fasthttp", black, 0, 3},
	{"nethttp", grey, 1, 0},
	{"null", pale, 4, 5},
	{"uwsgi", orange, 0, 2},
	{"uwsgi-prefork", orange, 5, 2},
	{"uwsgi-threads", orange, 5, 4},
	{"uwsgi-gevent", orange, 3, 3},
	{"gunicorn", forest, 0, 4},
	{"gunicorn-sync", forest, 4, 1},
	{"gunicorn-gthread", forest, 3, 1},
	{"gunicorn-gevent", forest, 5, 0},
}

// others are what names that dyno does not know share by their hash.
var others = []swatch{purple, rose, brown}

// StyleOf returns the look of a target. "goroutine" and "goroutine-request",
// or "prefork:sync" and "prefork:goroutine", are one family: one colour, told
// apart by dash and marker. A name of no known family gets its look by hash.
func StyleOf(target string) Style {
	best := -1
	for i, k := range known {
		if rest, ok := strings.CutPrefix(target, k.name); ok && (rest == "" || strings.ContainsAny(rest[:1], "-:,_ /@")) {
			if best < 0 || len(k.name) > len(known[best].name) {
				best = i
			}
		}
	}
	if best >= 0 {
		k := known[best]
		dash, marker := k.dash, k.marker
		if target != k.name {
			shift := 1 + int(hash(target)%uint32(len(dashes)-1))
			dash, marker = (dash+shift)%len(dashes), (marker+shift)%len(markers)
		}
		return Style{rgb(k.colour.light), dashes[dash], markers[marker]}
	}
	h := hash(target)
	return Style{rgb(others[h%3].light), dashes[h/3%6], markers[h/18%6]}
}

func hash(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s)) //nolint:errcheck // never fails
	return h.Sum32()
}

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}

// Hex returns the target's colour as CSS writes it.
func (s Style) Hex() string { return hex(s.Color) }

// DarkCSS returns rules that turn a page's SVG figures, and whatever else has
// a fill or stroke of the palette, to the colours for a dark ground.
func DarkCSS() string {
	var b strings.Builder
	seen := map[swatch]bool{}
	add := func(s swatch) {
		if seen[s] {
			return
		}
		seen[s] = true
		light, dark := hex(rgb(s.light)), hex(rgb(s.dark))
		b.WriteString(`svg [stroke="` + light + `"]{stroke:` + dark + `}svg [fill="` + light + `"]{fill:` + dark + "}\n")
	}
	for _, k := range known {
		add(k.colour)
	}
	for _, s := range others {
		add(s)
	}
	for _, s := range heatRamp {
		add(s)
	}
	return b.String()
}

// Ink is the colour of letters and lines; SVG leaves it to the page.
var (
	ink   = color.NRGBA{0, 0, 0, 255}
	soft  = color.NRGBA{0, 0, 0, 150}
	grid  = color.NRGBA{0, 0, 0, 32}
	paper = color.NRGBA{255, 255, 255, 255}
)

// sans is metric-compatible with Arial and Helvetica, so that text set by it
// fits wherever one of the three is installed.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// disc, ring and polygon are markers; a polygon has corners, the first of them
// at turn of a full turn from the right.
type (
	disc    struct{}
	ring    struct{}
	polygon struct {
		corners int
		turn    float64
	}
)

func (disc) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	c.SetColor(sty.Color)
	c.Fill(circle(pt, sty.Radius))
}

func (ring) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	c.SetColor(paper)
	c.Fill(circle(pt, sty.Radius))
	c.SetLineStyle(draw.LineStyle{Color: sty.Color, Width: 1.4})
	c.Stroke(circle(pt, sty.Radius*0.9))
}

func (p polygon) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	c.SetColor(sty.Color)
	c.Fill(corners(pt, sty.Radius*1.2, p.corners, p.turn))
}
