package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"

	"github.com/dynobench/dyno/internal/format"
)

// luminance is WCAG's relative luminance.
func luminance(c color.NRGBA) float64 {
	l := func(v uint8) float64 {
		if x := float64(v) / 255; x <= 0.03928 {
			return x / 12.92
		} else {
			return math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*l(c.R) + 0.7152*l(c.G) + 0.0722*l(c.B)
}

func contrast(a, b color.NRGBA) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestKnownTargetsAreToldApartWithoutColour(t *testing.T) {
	seen := map[[2]int]string{}
	for _, k := range known {
		shape := [2]int{k.dash, k.marker}
		if other, ok := seen[shape]; ok {
			t.Errorf("%s and %s have the same dash and marker", k.name, other)
		}
		seen[shape] = k.name
		if c := contrast(rgb(k.colour.light), paper); c < 2.1 {
			t.Errorf("%s has a contrast of %.1f on white", k.name, c)
		}
		if c := contrast(rgb(k.colour.dark), rgb(0x141417)); c < 3 {
			t.Errorf("%s has a contrast of %.1f on dark", k.name, c)
		}
	}
}

func TestStyleStays(t *testing.T) {
	for _, family := range [][]string{
		{"goroutine", "goroutine-request", "goroutine,per=request"},
		{"prefork", "prefork:goroutine", "prefork:sync,processes=4"},
		{"eventloop", "eventloop,loops=2"},
		{"uwsgi", "uwsgi-threads", "uwsgi-other"},
	} {
		for _, name := range family[1:] {
			if StyleOf(name).Color != StyleOf(family[0]).Color {
				t.Errorf("%s has another colour than %s", name, family[0])
			}
		}
	}
	if StyleOf("eventloop-pool").Color == StyleOf("eventloop").Color || StyleOf("synchronous").Color == StyleOf("sync").Color || StyleOf("nulls").Color == StyleOf("null").Color {
		t.Error("a name that only starts like another takes its colour")
	}
	a, b := StyleOf("goroutine"), StyleOf("goroutine-request")
	if len(a.Dash) == len(b.Dash) && a.Marker == b.Marker {
		t.Error("two of one family look the same")
	}
	for _, name := range []string{"mine", "yours", "", "日本"} {
		if x, y := StyleOf(name), StyleOf(name); x.Color != y.Color || x.Marker != y.Marker {
			t.Errorf("%q changes its look", name)
		}
	}
	if StyleOf("eventloop").Hex() != "#0072b2" || !strings.Contains(DarkCSS(), `svg [fill="#0072b2"]{fill:#4aa8e0}`) {
		t.Errorf("%s, %s", StyleOf("eventloop").Hex(), DarkCSS())
	}
}

// samples returns one figure of each kind with n targets, hard names among
// them.
func samples(n int) []Figure {
	var bars, far []Bar
	var curves []Curve
	var panels []Panel
	var full []Fullness
	for i := range n {
		name := []string{"eventloop", `<"evil" & co>`, "a-server-with-a-really-very-long-name-that-has-to-be-cut", "sync", "threads"}[i%5]
		if i >= 5 {
			name += strconv.Itoa(i)
		}
		v := 1000 * float64(i+1)
		points := []float64{v, v * 1.05, v * 0.97}
		bars = append(bars, Bar{name, points})
		wide := []float64{v, v * 100, v * 50}
		far = append(far, Bar{name, wide})
		var curve []Percentile
		for x := 0.0; x < 5; x += 0.1 {
			curve = append(curve, Percentile{100 * (1 - math.Pow(10, -x)), v * (1 + x*x)})
		}
		curves = append(curves, Curve{name, curve})
		panels = append(panels, Panel{name, [][]Step{{{0, v, 2 * v}, {0.1, v, 0}, {0.2, v * 1.1, 3 * v}, {0.3, v, 2 * v}}}})
		full = append(full, Fullness{name, float64(i), [][]Full{{{0, v, 2 * v}, {0.1, v, -1}, {0.2, 0, 3 * v}}}})
	}
	heat := heatSteps(20 * n)
	return []Figure{
		HeatMap("hello: latency over time", heat, float64(2*n)),
		Bars("hello: throughput, right responses/s", bars, func(v float64) string { return format.Significant(v, 3) }),
		BarsOfTime("hello: CPU time per request", bars),
		BarsOfTime("mixed: p99", far),
		Percentiles("hello: latency by percentile", "all valid trials merged · both axes logarithmic · a line ends where samples run out", curves),
		OverTime("hello: latency over time", "p99 (strong) and p50 (faint) of each 100 ms", panels),
		Occupancy("hello: slots", "strong and dashes", full),
	}
}

var numbers = regexp.MustCompile(`-?\d+(\.\d+)?`)

// TestFiguresStayOnPaper draws every figure at both widths and checks that it
// is XML and that no line or letter starts outside of the paper.
func TestFiguresStayOnPaper(t *testing.T) {
	for _, n := range []int{1, 2, 5, 12} {
		for _, f := range samples(n) {
			for _, width := range []int{Wide, Narrow} {
				var b bytes.Buffer
				if err := f.SVG(&b, width, true); err != nil {
					t.Fatal(err)
				}
				_, h := f.size(width)
				texts := 0
				d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
				for {
					token, err := d.Token()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatalf("%s is not XML: %v", f.Title, err)
					}
					e, ok := token.(xml.StartElement)
					if !ok {
						continue
					}
					var at []float64
					for _, a := range e.Attr {
						switch {
						case e.Name.Local == "path" && a.Name.Local == "d" && !strings.Contains(a.Value, "A"):
							for _, s := range numbers.FindAllString(a.Value, -1) {
								v, _ := strconv.ParseFloat(s, 64)
								at = append(at, v)
							}
						case e.Name.Local == "text" && (a.Name.Local == "x" || a.Name.Local == "y"):
							v, _ := strconv.ParseFloat(a.Value, 64)
							at = append(at, v)
							texts++
						}
					}
					for i, v := range at {
						if limit := []float64{float64(width), float64(h)}[i%2]; v < -0.5 || v > limit+0.5 {
							t.Fatalf("%s, %d targets at %d: %v is outside of 0 … %v", f.Title, n, width, v, limit)
						}
					}
				}
				if texts < 2*(n+2) {
					t.Errorf("%s: %d texts for %d targets", f.Title, texts/2, n)
				}
			}
		}
	}
}

func TestPNGHasTwoPixelsForEachOne(t *testing.T) {
	for _, f := range samples(3) {
		var b bytes.Buffer
		if err := f.PNG(&b, Wide); err != nil {
			t.Fatal(err)
		}
		im, err := png.Decode(&b)
		if err != nil || im.Bounds().Dx() != 2*Wide {
			t.Errorf("%s: %v, %v", f.Title, im.Bounds(), err)
		}
	}
}

func TestFiguresWithoutDataAreEmpty(t *testing.T) {
	for _, f := range []Figure{
		HeatMap("", nil, 1), HeatMap("", []HeatStep{{Errors: 3}}, 0.1), Bars("", nil, nil), Bars("", []Bar{{Target: "a"}}, nil), BarsOfTime("", nil), Percentiles("", "", []Curve{{Target: "a"}}),
		OverTime("", "", []Panel{{"a", [][]Step{{{0, 0, 0}}}}}),
		Occupancy("", "", []Fullness{{Target: "a"}, {"b", 4, [][]Full{{{0, -1, -1}, {1, 0, 0}}}}}),
	} {
		if !f.Empty {
			t.Errorf("%+v is not empty", f)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		few    bool
		want   string
	}{
		{200, 1000, false, "200 µs 500 µs 1 ms"}, {900, 1100, false, "500 µs 1 ms 2 ms"}, {50, 60000, true, "10 µs 100 µs 1 ms 10 ms 100 ms"},
		{0.5, 3, false, "500 ns 1 µs 2 µs 5 µs"}, {2e6, 3e6, true, "2 s 5 s"},
	} {
		ticks := timeTicks{c.few}
		lo, hi := ticks.around(c.lo, c.hi)
		var got []string
		for _, tick := range ticks.Ticks(lo, hi) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v … %v: %v, want %s", c.lo, c.hi, got, c.want)
		}
		if lo > c.lo || hi < c.hi {
			t.Errorf("%v … %v does not hold %v … %v", lo, hi, c.lo, c.hi)
		}
	}
	for _, width := range []vg.Length{260, 560} {
		last := vg.Length(-100)
		for n := 0.0; n <= 6; n += 0.001 { // left to right
			for _, tick := range percentTicks(6, width) {
				if math.Abs(tick.Value-n) < 0.0005 {
					x := vg.Length(n/6) * width
					half := style(11.5, false, ink).Width(tick.Label) / 2
					if x-half < last {
						t.Errorf("%s covers the label before it at %v", tick.Label, width)
					}
					last = x + half
				}
			}
		}
	}
	for v, want := range map[float64]string{20000: "20k", 1500000: "1.5M", 500: "500", 0.5: "0.5", 0: "0"} {
		if got := tickLabel(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
