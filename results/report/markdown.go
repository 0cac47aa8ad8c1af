package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// WriteMarkdown writes the report as Markdown, with links to the figures that
// Write makes.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", escape(r.headline()))
	fmt.Fprintf(&b, "Run %s, %s. %s.\n\n", code(r.Run.ID), r.Run.Created.UTC().Format("2 January 2006, 15:04 UTC"), r.counted())
	for i := range r.Scenarios {
		for _, v := range r.Scenarios[i].Verdicts[:1] {
			fmt.Fprintf(&b, "- **%s**: %s\n", escape(r.Scenarios[i].Plan.Name), escape(v.Text))
		}
	}
	if len(r.Scenarios) == 0 {
		b.WriteString("No trial was stored in this run.\n")
	}
	b.WriteString("\n")
	markdownNotices(&b, r.Notices)
	for i := range r.Scenarios {
		r.Scenarios[i].markdown(&b, r.Run)
	}
	if len(r.Scenarios) > 0 {
		b.WriteString("## Reading the tables\n\n" + escape(r.basis()) + "\n\n")
		if legend := r.legend(); legend != "" {
			b.WriteString(escape(legend) + ".\n\n")
		}
	}
	b.WriteString("## Environment\n\n")
	markdownFacts(&b, environment(r.Run))
	b.WriteString("## Plan\n\n")
	markdownFacts(&b, plan(r.Run))
	c := reproduce(r.Run)
	fmt.Fprintf(&b, "## To reproduce\n\nThe whole run:\n\n%s\n", block(c.Again))
	for _, part := range []struct {
		name string
		list []fact
	}{{"The servers, one trial of each; start one at a time", c.Servers}, {"The load, one trial of each scenario", c.Loads}} {
		if len(part.list) == 0 {
			continue
		}
		var lines []string
		for _, f := range part.list {
			lines = append(lines, "# "+f.Name, f.Value)
		}
		fmt.Fprintf(&b, "%s:\n\n%s\n", part.name, block(strings.Join(lines, "\n")))
	}
	for _, part := range []struct {
		name  string
		lines []string
	}{{"What the numbers do not show", limits}, {"How the numbers are made", method}} {
		fmt.Fprintf(&b, "## %s\n\n", part.name)
		for _, l := range part.lines {
			b.WriteString("- " + l + "\n")
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

func (s *Scenario) markdown(b *strings.Builder, run *results.Run) {
	fmt.Fprintf(b, "## %s\n\n", escape(s.Plan.Name))
	if s.Plan.Summary != "" {
		fmt.Fprintf(b, "%s. ", escape(sentence(s.Plan.Summary)))
	}
	fmt.Fprintf(b, "%s.\n\n", escape(sentence(s.terms())))
	if s.Plan.Shows != "" {
		fmt.Fprintf(b, "*What it shows: %s.*\n\n", escape(strings.TrimSuffix(s.Plan.Shows, ".")))
	}
	for _, v := range s.Verdicts {
		fmt.Fprintf(b, "> %s\n>\n", escape(v.Text))
	}
	b.WriteString("\n")
	columns := s.page()
	markdownTable(b, heads(columns), s.lines(columns))
	for _, n := range s.footnotes() {
		b.WriteString(escape(n) + "\n\n")
	}
	for _, t := range s.groupTables() {
		fmt.Fprintf(b, "Beside the busy connections %s:\n\n", code(t.Spec))
		markdownTable(b, t.Head, t.Lines)
	}
	if links := s.profiles(); len(links) > 0 {
		fmt.Fprintf(b, "%s %s\n\n", escape(s.profilesNote(run)), markdownLinks(links))
	}
	markdownNotices(b, s.Notices)
	for _, f := range s.figures() {
		fmt.Fprintf(b, "![%s](%s/%s.svg)\n\n", escape(f.Title), PlotsDir, f.Name)
	}
}

func markdownTable(b *strings.Builder, head []string, lines []line) {
	fmt.Fprintf(b, "| %s |\n|:--%s|\n", strings.Join(escaped(head), " | "), strings.Repeat("|--:", len(head)-1))
	for _, l := range lines {
		for i, c := range l.Cells {
			switch {
			case i == 0 && l.Class != "":
				c = "&emsp;" + escape(l.Class)
			default:
				figure, below, ok := strings.Cut(c, "\n")
				if c = escape(figure); ok {
					c += " (" + escape(below) + ")"
				}
			}
			b.WriteString("| " + c + " ")
		}
		b.WriteString("|\n")
	}
	b.WriteString("\n")
}

func escaped(texts []string) []string {
	all := make([]string, len(texts))
	for i, s := range texts {
		all[i] = escape(s)
	}
	return all
}

func markdownNotices(b *strings.Builder, notices []Notice) {
	for _, n := range notices {
		hint := ""
		if n.Hint != "" {
			hint = " → " + n.Hint
		}
		b.WriteString("- ⚠ " + escape(n.Text()+hint) + "\n")
	}
	if len(notices) > 0 {
		b.WriteString("\n")
	}
}

func markdownFacts(b *strings.Builder, facts []fact) {
	for _, f := range facts {
		fmt.Fprintf(b, "- %s: %s\n", escape(f.Name), escape(f.Value))
	}
	b.WriteString("\n")
}

// escape keeps text, which is one line, from being read as Markdown or HTML,
// wherever in a line it stands.
func escape(s string) string {
	s = markdownSigns.Replace(format.Line(s))
	if at := startsBlock.FindStringSubmatchIndex(s); at != nil {
		sign := max(at[2], at[4])
		s = s[:sign] + `\` + s[sign:]
	}
	return s
}

var (
	// markdownSigns begin something anywhere in a line; a colon behind a word of
	// letters would be taken for the scheme of a link.
	markdownSigns = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", ">", "&gt;", "&", "&amp;",
		"[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "$", `\$`, "://", `:\//`)
	// startsBlock is what begins a list or underlines a heading where it comes first.
	startsBlock = regexp.MustCompile(`^(?:[0-9]{1,9})?([-+.)])(?: |$)|^([-=])[-= ]*$`)
)

// code is s, which is one line, as a span of code.
func code(s string) string {
	s = format.Line(s)
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || s == "" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", "&#124;") + fence
}

// block is lines as a block of commands.
func block(lines string) string {
	fence := strings.Repeat("`", max(3, longestRun(lines)+1))
	return fence + "sh\n" + lines + "\n" + fence + "\n"
}

// longestRun is how many backticks stand in a row at most.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// sentence starts s with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
