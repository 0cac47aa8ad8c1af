package doctor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

func TestWriteText(t *testing.T) {
	f, m := healthy()
	f.env.Virtual, f.limits.CongestionControl = "a hypervisor with a very long name of its own", "bbr"
	f.limits.QuotaCPUs = 1.5
	m.pacing[2].Load.GeneratorLagUS.P99 = 2000
	d := &results.Doctor{Environment: f.env, Findings: judge(f, m)}
	d.Verdict, d.Summary = verdict(d.Findings)
	for _, width := range []int{40, 80, 200} {
		var b bytes.Buffer
		if err := WriteText(&b, d, width); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if got := format.Width(line); got > max(width, 80) {
				t.Errorf("a line of %d columns for a terminal of %d: %s", got, width, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("blanks at the end of %q", line)
			}
		}
		for _, f := range d.Findings {
			if !strings.Contains(text, "\n"+marks[f.Level]+" "+f.Code) {
				t.Errorf("width %d: no line for %s", width, f.Code)
			}
		}
		words := strings.Join(strings.Fields(text), " ")
		for _, want := range []string{
			"✓ ceiling 100,000/s", "! pacing 2.00 ms", "✗ cpu-quota 1.5", "→ sysctl -w", "a hypervisor with a very long name of its own The machine",
			"Not fit to measure, because of cpu-quota:",
		} {
			if !strings.Contains(words, want) {
				t.Errorf("width %d: %q is missing in\n%s", width, want, text)
			}
		}
	}
}
