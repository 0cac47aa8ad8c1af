// Package format prints figures for people: as many digits as the noise of a
// measurement supports, units that fit, columns that line up.
package format

import (
	"math"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// None stands where a figure is not known.
const None = "–"

// Significant prints v with so many significant digits and a comma between
// thousands: 98,200, 1,230, 8.41, 0.052. What is not finite is None.
func Significant(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return None
	}
	if v == 0 {
		return "0"
	}
	magnitude := int(math.Floor(math.Log10(math.Abs(v))))
	unit := math.Pow(10, float64(magnitude-digits+1))
	rounded := math.Round(v/unit) * unit
	if r := int(math.Floor(math.Log10(math.Abs(rounded)) + 1e-9)); r > magnitude { // 9.996 became 10.00
		magnitude = r
	}
	s := strconv.FormatFloat(rounded, 'f', max(0, digits-1-magnitude), 64)
	return group(s)
}

// group puts commas between the thousands of a decimal number.
func group(s string) string {
	whole, fraction, hasFraction := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasFraction {
		whole += "." + fraction
	}
	return sign + whole
}

// Count prints a whole number with commas between the thousands.
func Count(n int64) string { return group(strconv.FormatInt(n, 10)) }

// Plural prints how many there are of what noun names: 1 trial, 2,400 trials.
func Plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(int64(n)) + " " + noun + "s"
}

// Latency is Duration of a latency, which is 0 where too few samples tell it.
func Latency(us float64) string {
	if us == 0 {
		return None
	}
	return Duration(us)
}

// Duration prints microseconds in the unit that fits: 850 ns, 8.41 µs,
// 12.3 ms, 1.20 s.
func Duration(us float64) string {
	switch a := math.Abs(us); {
	case math.IsNaN(us) || math.IsInf(us, 0):
		return None
	case a < 0.9995:
		return Significant(us*1e3, 3) + " ns"
	case a < 999.5:
		return Significant(us, 3) + " µs"
	case a < 999.5e3:
		return Significant(us/1e3, 3) + " ms"
	default:
		return Significant(us/1e6, 3) + " s"
	}
}

// Bytes prints a size in the binary unit that fits: 14.2 MiB.
func Bytes(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if math.Abs(v) < 999.5 {
			return Significant(v, 3) + " " + unit
		}
		v /= 1024
	}
	return Significant(v, 3) + " TiB"
}

// Change prints a ratio as the change that it is: +12 %, −3.1 %.
func Change(ratio float64) string {
	pct := (ratio - 1) * 100
	if math.IsNaN(pct) || math.IsInf(pct, 0) {
		return None
	}
	sign := "+"
	if pct < 0 {
		sign = "−"
	}
	return sign + Percent(math.Abs(pct)) + " %"
}

// Percent prints per cent without the sign for it: two digits below ten, else
// whole ones.
func Percent(pct float64) string {
	if a := math.Abs(pct); a < 9.95 {
		return strconv.FormatFloat(pct, 'f', 1, 64)
	}
	return group(strconv.FormatFloat(pct, 'f', 0, 64))
}

// Width returns how many columns of a terminal s takes.
func Width(s string) int { return runewidth.StringWidth(s) }

// Fit cuts s to so many columns, with an ellipsis where something is missing.
func Fit(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	return runewidth.Truncate(s, width, "…")
}

// units stay on the line of the number before them.
var units = map[string]bool{"%": true, "ns": true, "µs": true, "ms": true, "s": true, "B": true, "KiB": true, "MiB": true, "GiB": true, "TiB": true}

// Wrap breaks text between words, but not before a unit, into lines of at most
// width columns. The first line starts with first, the others with rest.
func Wrap(text string, width int, first, rest string) string {
	var words []string
	for word := range strings.FieldsSeq(text) {
		if n := len(words); n > 0 && units[strings.Trim(word, ".,;:()")] {
			words[n-1] += " " + word
			continue
		}
		words = append(words, word)
	}
	var b strings.Builder
	line, empty := first, true
	for _, word := range words {
		if !empty && Width(line)+1+Width(word) > width {
			b.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
	return b.String()
}

// Table is a table of text. Columns are right-aligned unless Left says
// otherwise.
type Table struct {
	Head []string
	Left []bool
	Rows [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Text lays the table out, each line indented by two columns, two between
// columns. Trailing blanks are cut.
func (t *Table) Text() string {
	widths := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], Width(c))
		}
	}
	var b strings.Builder
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-Width(c))
			line.WriteString("  ")
			if i < len(t.Left) && t.Left[i] {
				line.WriteString(c + pad)
			} else {
				line.WriteString(pad + c)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
