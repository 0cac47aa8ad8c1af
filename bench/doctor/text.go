package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// marks stand before a finding of each level.
var marks = map[string]string{results.LevelOK: "✓", results.LevelNote: "!", results.LevelProblem: "✗"}

// widest is how wide the column of figures gets before one has its text below.
const widest = 16

// WriteText writes d for a terminal of so many columns, at least 80: a line for
// each finding with its mark, its figure and a sentence, and the verdict.
func WriteText(w io.Writer, d *results.Doctor, width int) error {
	width = max(width, 80)
	code, value := 0, 0
	for _, f := range d.Findings {
		code = max(code, format.Width(f.Code))
		value = max(value, min(widest, format.Width(figureOf(f))))
	}
	var b strings.Builder
	e := d.Environment
	head := fmt.Sprintf("%s, %s/%s %s", e.CPUModel, e.OS, e.Arch, e.Kernel)
	b.WriteString(format.Wrap(strings.TrimPrefix(head, ", "), width, "", "") + "\n")
	for _, f := range d.Findings {
		figure := figureOf(f)
		first := fmt.Sprintf("%s %s  %s  ", marks[f.Level], pad(f.Code, code), strings.Repeat(" ", value-min(value, format.Width(figure)))+figure)
		rest := strings.Repeat(" ", 2+code+2+value+2)
		if format.Width(figure) > value {
			b.WriteString(strings.TrimRight(first, " ") + "\n")
			first = rest
		}
		b.WriteString(format.Wrap(f.Message, width, first, rest))
		if f.Hint != "" {
			b.WriteString(format.Wrap(f.Hint, width, rest+"→ ", rest+"  "))
		}
	}
	b.WriteString("\n" + format.Wrap(d.Summary, width, "", ""))
	_, err := io.WriteString(w, b.String())
	return err
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-format.Width(s)))
}

// figureOf is what was found, in few characters.
func figureOf(f results.Finding) string {
	if f.Value == nil {
		if f.Text == "" {
			return format.None
		}
		return f.Text
	}
	v := *f.Value
	switch f.Unit {
	case "rps":
		return format.Significant(v, 3) + "/s"
	case "us":
		if v == 0 {
			return format.None
		}
		return format.Duration(v)
	case "pct":
		return format.Percent(v) + " %"
	case "bytes":
		return format.Bytes(int64(v))
	case "count":
		return format.Count(int64(v))
	case "ratio":
		return "× " + format.Significant(v, 2)
	case "cpus":
		return format.Significant(v, 2)
	}
	return fmt.Sprint(v)
}
