package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// Rows of the percentile plot, and the columns of the labels beside it.
const (
	plotRows = 9
	plotLeft = 12
	// least is the percentile where the line begins: the few fastest answers
	// would take a part of the height that is not theirs.
	least = 10.0
)

// percentilePlot draws latency by percentile in letters, in so many columns,
// both axes logarithmic as in a report: each step to the right is a tenth of
// the requests before it. The line ends where the samples run out. It is empty
// where they do not reach p90.
func percentilePlot(h *hdrhistogram.Histogram, width int, plain bool) string {
	n := float64(h.TotalCount())
	if n < 100 {
		return ""
	}
	far := math.Log10(n / 10) // ten samples beyond
	grid := newBraille(width-plotLeft-2, plotRows, plain)
	values := make([]float64, grid.width)
	lo, hi := math.Inf(1), 0.0
	for i := range values {
		p := 100 * (1 - math.Pow(10, -far*float64(i)/float64(grid.width-1)))
		if p < least {
			continue
		}
		us, ok := results.Percentile(h, p)
		if !ok {
			us, _ = results.Percentile(h, 100*(1-10/n)) // the last, but for rounding
		}
		values[i] = us
		lo, hi = min(lo, us), max(hi, us)
	}
	ticks := latencyTicks(lo, hi)
	low, span := math.Log10(ticks[0]), math.Log10(ticks[len(ticks)-1]/ticks[0])
	y := func(us float64) int { return int(math.Round((math.Log10(us) - low) / span * float64(grid.height-1))) }
	last := -1
	for i, us := range values {
		if us == 0 {
			continue
		}
		at := y(us)
		if last < 0 {
			last = at
		}
		for v := min(last+sign(at-last), at); v <= max(last+sign(at-last), at); v++ {
			grid.set(i, v)
		}
		last = at
	}
	return frame(grid, ticks, y, far, plain)
}

func sign(v int) int { return max(-1, min(1, v)) }

// latencyTicks are marks around lo to hi: few, round, on a logarithmic scale.
func latencyTicks(lo, hi float64) []float64 {
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var ticks []float64
		for e := math.Floor(math.Log10(lo)) - 1; e <= math.Ceil(math.Log10(hi))+1; e++ {
			for _, s := range steps {
				v := s * math.Pow(10, e)
				if v <= lo*(1+1e-9) { // the first is at lo or below
					ticks = []float64{v}
				} else if len(ticks) == 1 || len(ticks) > 1 && ticks[len(ticks)-1] < hi {
					ticks = append(ticks, v)
				}
			}
		}
		if len(ticks) <= 5 || len(steps) == 1 {
			return ticks
		}
	}
	return nil
}

// frame puts axes around the picture.
func frame(g *braille, ticks []float64, y func(float64) int, far float64, plain bool) string {
	corner, wall, notch, floor, mark := "└", "│", "┤", "─", "┴"
	if plain {
		corner, wall, notch, floor, mark = "+", "|", "+", "-", "+"
	}
	labels := map[int]string{}
	for _, t := range ticks {
		if row := g.row(y(t)); labels[row] == "" {
			labels[row] = roundTime(t)
		}
	}
	var b strings.Builder
	for row := plotRows - 1; row >= 0; row-- {
		label, edge := labels[row], wall
		if label != "" {
			edge = notch
		}
		pad := strings.Repeat(" ", plotLeft-1-format.Width(label))
		b.WriteString(strings.TrimRight(pad+label+" "+edge+g.line(row), " ") + "\n")
	}
	axis := strings.Repeat(floor, g.columns)
	names := []rune(strings.Repeat(" ", plotLeft+1+g.columns+1))
	line := []rune(axis)
	var taken []int
	for _, p := range []float64{99, 50, 99.9, 90, 99.99, 99.999, 99.9999, 75, 25} {
		x := -math.Log10(1-p/100) / far
		if x > 1+1e-9 {
			continue
		}
		column := int(math.Round(x * float64(g.columns-1)))
		name := "p" + strconv.FormatFloat(p, 'f', -1, 64)
		from := min(plotLeft+1+column-len(name)/2, plotLeft+2+g.columns-len(name))
		to := from + len(name)
		if slices.ContainsFunc(taken, func(at int) bool { return at >= from-2 && at < to+2 }) {
			continue
		}
		for i, r := range name {
			names[from+i] = r
			taken = append(taken, from+i)
		}
		line[column] = []rune(mark)[0]
	}
	fmt.Fprintf(&b, "%s%s%s\n%s\n", strings.Repeat(" ", plotLeft), corner, string(line), strings.TrimRight(string(names), " "))
	return b.String()
}

// roundTime prints a round latency without needless digits.
func roundTime(us float64) string {
	value, unit, _ := strings.Cut(format.Duration(us), " ")
	if strings.Contains(value, ".") {
		value = strings.TrimRight(strings.TrimRight(value, "0"), ".")
	}
	return value + " " + unit
}

// braille is a picture of dots in letters: eight to a letter of braille, or one.
type braille struct {
	columns       int
	width, height int // in dots
	plain         bool
	at            [][]bool // by row of dots, the lowest first
}

func newBraille(columns, rows int, plain bool) *braille {
	d := &braille{columns: columns, width: columns, height: rows, plain: plain}
	if !plain {
		d.width, d.height = 2*columns, 4*rows
	}
	d.at = make([][]bool, d.height)
	for i := range d.at {
		d.at[i] = make([]bool, d.width)
	}
	return d
}

func (d *braille) set(x, y int) { d.at[min(max(y, 0), d.height-1)][min(max(x, 0), d.width-1)] = true }

// row is the row of letters that a row of dots is in.
func (d *braille) row(y int) int {
	if d.plain {
		return y
	}
	return y / 4
}

// line is one row of letters.
func (d *braille) line(row int) string {
	var b strings.Builder
	for c := range d.columns {
		if d.plain {
			b.WriteByte(" *"[btoi(d.at[row][c])])
			continue
		}
		// The dots of a braille letter, from the top: 1 4, 2 5, 3 6, 7 8.
		bits := 0
		for i, bit := range [4][2]int{{0x40, 0x80}, {0x04, 0x20}, {0x02, 0x10}, {0x01, 0x08}} {
			for j, v := range bit {
				bits |= v * btoi(d.at[4*row+i][2*c+j])
			}
		}
		if bits == 0 {
			b.WriteByte(' ')
		} else {
			b.WriteRune(rune(0x2800 + bits))
		}
	}
	return b.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
