package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// A loadText is the summary of one run of the generator for people, for a
// terminal of so many columns; below 80 it is laid out for 80.
type loadText struct {
	strings.Builder
	load  *results.Load
	width int
	plain bool // ASCII only
}

// Load writes the summary.
func Load(w io.Writer, l *results.Load, width int, plain bool) error {
	t := &loadText{load: l, width: max(width, 80), plain: plain}
	t.alarm()
	t.title()
	t.rate()
	t.table()
	t.caveat()
	t.percentiles()
	t.connections()
	t.groups()
	t.objective()
	t.warnings()
	_, err := io.WriteString(w, t.sign(t.String()))
	return err
}

// sign replaces the signs of text that the terminal lacks.
func (t *loadText) sign(text string) string {
	if t.plain {
		return format.ASCII.Replace(text)
	}
	return text
}

// wrap writes text broken between words; some signs take more room in ASCII.
func (t *loadText) wrap(text, first, rest string) {
	t.WriteString(format.Wrap(t.sign(text), t.width, t.sign(first), rest))
}

// line writes text below the others, indented, broken between words.
func (t *loadText) line(text string) { t.wrap(text, "  ", "    ") }

// fact is a line with a name in front.
func (t *loadText) fact(name, text string) {
	t.wrap(text, fmt.Sprintf("  %-13s", name), strings.Repeat(" ", 15))
}

// alarm comes before everything else: the other figures look as if the server
// had worked.
func (t *loadText) alarm() {
	for _, w := range t.load.Warnings {
		if w.Code == results.CodeNoAnswers || w.Code == results.CodeStalled {
			t.wrap(fmt.Sprintf("%s [%s]", w.Message, w.Code), "! ", "  ")
		}
	}
}

// caveat says what percentiles of a closed loop do not show.
func (t *loadText) caveat() {
	if t.load.Model == "closed" && t.load.LatencyUS.Max > 0 {
		t.line("Closed loop: a stall counts once per connection, however long it lasts. Requests that would have arrived during it are not in these percentiles; an open loop (--rate) includes them.")
	}
}

func (t *loadText) title() {
	l := t.load
	t.WriteString(format.Wrap(l.URL, t.width, "", "  "))
	loop := fmt.Sprintf("closed loop, %s", format.Plural(l.Connections, "connection"))
	if l.Model == "open" {
		rate := fmt.Sprintf("%s requests/s", offered(l.RateRPS))
		if l.RateProfile != "" {
			rate = l.RateProfile + " requests/s, " + offered(l.RateRPS) + " on average,"
		}
		loop = fmt.Sprintf("open loop, %s %s, %s", rate, l.Arrivals, format.Plural(l.Connections, "connection"))
	}
	switch {
	case l.Fresh:
		loop += ", each for one request"
	case l.Pipeline > 1:
		loop += fmt.Sprintf(" of %d requests each", l.Pipeline)
	}
	by := l.Generator
	if l.Transport != "" {
		by += " on " + l.Transport
	}
	t.wrap(fmt.Sprintf("%s, %s, %.2f s after %.2f s of warm-up (%s)",
		loop, format.Plural(l.Threads, "thread"), l.DurationS, l.WarmupS, by), "", "  ")
}

func (t *loadText) rate() {
	l := t.load
	errors := "no errors"
	if n := l.Errors.Total(); n == 1 {
		errors = "1 error"
	} else if n > 0 {
		errors = format.Count(n) + " errors"
	}
	t.WriteString("\n")
	t.line(fmt.Sprintf("%s requests/s (%s right responses, %s, %s read)", format.Significant(l.ThroughputRPS, 4),
		format.Count(l.Requests-l.Errors.Status-l.Errors.Body), errors, format.Bytes(l.BytesRead)))
	if l.Errors.Total() > 0 {
		t.line("errors: " + byKind(l.Errors))
	}
}

// byKind lists the kinds that there were.
func byKind(e results.Errors) string {
	var kinds []string
	for _, f := range e.Kinds() {
		kinds = append(kinds, f.Kind+" "+format.Count(f.N))
	}
	return strings.Join(kinds, ", ")
}

// table is of the percentiles.
func (t *loadText) table() {
	l := t.load
	if l.LatencyUS.Max == 0 { // nothing was answered, nor waited for
		return
	}
	type row struct {
		name string
		q    results.Quantiles
	}
	rows := []row{{"latency (from due)", l.LatencyUS}, {"service (from sent)", l.ServiceUS}}
	if l.Model == "open" {
		rows = append(rows, row{"send lag", l.SendLagUS})
	}
	if len(l.Classes) > 1 {
		rows[0].name, rows[1].name = "all, from due", "all, from sent"
		for _, class := range l.Classes {
			rows = append(rows, row{"class " + class.Class, class.LatencyUS})
		}
	}
	columns := []struct {
		name string
		of   func(results.Quantiles) float64
	}{
		{"p50", func(q results.Quantiles) float64 { return q.P50 }}, {"p90", func(q results.Quantiles) float64 { return q.P90 }},
		{"p95", func(q results.Quantiles) float64 { return q.P95 }}, {"p99", func(q results.Quantiles) float64 { return q.P99 }},
		{"p99.9", func(q results.Quantiles) float64 { return q.P999 }}, {"p99.99", func(q results.Quantiles) float64 { return q.P9999 }},
		{"max", func(q results.Quantiles) float64 { return q.Max }},
	}
	// What samples do not reach is left out, and p95 where the rest has no room.
	const figures = 9 // columns of the terminal that a figure takes
	if l.LatencyUS.P9999 == 0 {
		columns = slices.Delete(columns, 5, 6)
	} else if t.width < 22+len(columns)*figures {
		columns = slices.Delete(columns, 2, 3)
	}
	table := format.Table{Head: []string{""}, Left: []bool{true}}
	for _, c := range columns {
		table.Head = append(table.Head, c.name)
	}
	for _, r := range rows {
		cells := []string{format.Fit(r.name, t.width-2-len(columns)*figures)}
		for _, c := range columns {
			cells = append(cells, format.Latency(c.of(r.q)))
		}
		table.Add(cells...)
	}
	t.WriteString("\n" + table.Text())
}

// percentiles is the plot.
func (t *loadText) percentiles() {
	h, err := results.DecodeHistogram(t.load.Histogram)
	if err != nil {
		return // there is none
	}
	title := "latency by percentile"
	if len(t.load.Classes) > 1 {
		title += ", all classes" // fast and slow together, as the row of that name
	}
	if plot := percentilePlot(h, min(t.width, 100), t.plain); plot != "" {
		t.WriteString("\n  " + title + "\n" + plot)
	}
}

func (t *loadText) connections() {
	l := t.load
	t.WriteString("\n")
	if f := l.Connection; f.Max > 0 && l.Connections > 1 {
		text := fmt.Sprintf("%s to %s responses per connection, median %s", format.Count(f.Min), format.Count(f.Max), format.Count(f.P50))
		if f.Jain > 0 {
			text += fmt.Sprintf(", Jain's index %.3f", f.Jain)
		}
		if f.Starved > 0 {
			text += fmt.Sprintf("; %s without any", format.Plural(f.Starved, "connection"))
		}
		t.fact("fairness", text)
	}
	if l.Model == "open" {
		peak, at, end := int64(0), 0.0, int64(0)
		for _, p := range l.Series {
			if end = p.Backlog; p.Backlog > peak {
				peak, at = p.Backlog, p.TS
			}
		}
		if peak > 0 {
			t.fact("backlog", fmt.Sprintf("at most %s due and not yet sent, %.1f s into the window; %s at its end", format.Count(peak), at, format.Count(end)))
		}
	}
	if s := l.TLS; s != nil {
		text := s.Version + ", " + s.CipherSuite
		if s.KeyExchange != "" {
			text += ", " + s.KeyExchange
		}
		if !s.Verified {
			text += "; the certificate was not verified"
		}
		if s.Handshakes > 0 {
			text += fmt.Sprintf("; %s in the window, median %s", format.Plural(s.Handshakes, "handshake"), format.Duration(s.HandshakeUS.P50))
			if s.Resumed > 0 {
				text += ", " + format.Count(s.Resumed) + " of them resumed a session"
			}
		}
		t.fact("TLS", text)
	}
	if l.Reconnects > 0 || l.Resent > 0 {
		text := format.Plural(l.Reconnects, "connection") + " made again"
		if l.Resent > 0 {
			text += ", " + format.Plural(l.Resent, "request") + " sent again"
		}
		t.fact("reconnected", text)
	}
	if n := l.Cut; n > 0 {
		t.fact("cut short", format.Plural(n, "request")+" in flight when the run was interrupted")
	}
	if w := l.WholeRun; w.Sent > 0 {
		t.fact("whole run", wholeRun(w))
	}
	cost := fmt.Sprintf("busiest thread %.0f %% busy", 100*l.GeneratorCPUUtilisation)
	if l.Requests > 0 {
		cost = fmt.Sprintf("%.1f µs of CPU per request, %s", l.GeneratorCPUUSPerRequest, cost)
	}
	t.fact("generator", cost)
}

// wholeRun is what the server can have counted, warm-up and all.
func wholeRun(w results.WholeRun) string {
	text := format.Plural(w.Sent, "request") + " sent, " + format.Count(w.Answered) + " answered"
	for _, part := range []struct {
		n    int64
		what string
	}{{w.Again, "sent again"}, {w.Failed, "failed"}, {w.Cut, "given up at its end"}} {
		if part.n > 0 {
			text += ", " + format.Count(part.n) + " " + part.what
		}
	}
	return text
}

// offered is a rate that was asked for: 500 is no 500.0.
func offered(rps float64) string {
	text := format.Significant(rps, 4)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func (t *loadText) groups() {
	if len(t.load.Groups) == 0 {
		return
	}
	table := format.Table{Head: []string{"beside them", "kind", "connections", "opened", "refused", "closed", "requests", "errors", "p50", "p99"}, Left: []bool{true, true}}
	for _, g := range t.load.Groups {
		table.Add(format.Fit(g.Name, 16), g.Kind, format.Count(int64(g.Connections)), format.Count(g.Opened), format.Count(g.Refused), format.Count(g.Closed),
			format.Count(g.Requests), format.Count(g.Errors), format.Latency(g.LatencyUS.P50), format.Latency(g.LatencyUS.P99))
	}
	if t.width < 100 { // the latency goes first, it is nobody's question about idle connections
		table.Head = table.Head[:8]
		for i := range table.Rows {
			table.Rows[i] = table.Rows[i][:8]
		}
	}
	t.WriteString("\n" + table.Text())
	for _, g := range t.load.Groups {
		if g.Unopened > 0 {
			t.fact("not opened", fmt.Sprintf("%s of %s, because too many were still open", format.Count(g.Unopened), g.Name))
		}
	}
	t.fact("their cost", fmt.Sprintf("%.2f s of the generator's CPU", t.load.GroupsCPUS))
}

func (t *loadText) objective() {
	o := t.load.Objective
	if o == nil {
		return
	}
	verdict := "met"
	if !o.Met {
		verdict = "missed"
	}
	t.WriteString("\n")
	t.fact("objective", o.Text+": "+verdict)
	for _, term := range o.Terms {
		mark, seen := "✓", term.Reason
		if !term.Met {
			mark = "✗"
		}
		if term.Seen != nil {
			seen = "seen " + seenAs(term)
		}
		t.WriteString(fmt.Sprintf("%15s%s %s (%s)\n", "", mark, term.Text, seen))
	}
}

// seenAs prints what was seen of a term in the term's own unit.
func seenAs(term results.Term) string {
	v := *term.Seen
	switch {
	case strings.HasSuffix(term.Text, "%"):
		return format.Significant(v, 3) + " %"
	case strings.HasPrefix(term.Text, "rate"):
		return format.Significant(v, 4) + " requests/s"
	}
	return format.Duration(v)
}

func (t *loadText) warnings() {
	for _, warning := range t.load.Warnings {
		mark := "warning"
		if warning.Invalid {
			mark = "not valid"
		}
		t.WriteString("\n")
		t.line(fmt.Sprintf("%s [%s]: %s", mark, warning.Code, warning.Message))
		if warning.Hint != "" {
			t.wrap(warning.Hint, "    → ", "      ")
		}
	}
}
